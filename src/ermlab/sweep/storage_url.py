"""The URL of a sweep's storage: its password is used, and neither shown nor written anywhere.

Opening the storage is in `shared_storage.py`. Nothing heavy is imported here: the sweeper hides the
password before anything else is done.
"""

import os
import re

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

KEY = "hydra.sweeper.storage"
HIDDEN = "***"  # what stands in the place of a password
VARIABLE = "ERMLAB_STORAGE_PASSWORD"  # of the environment, read where the password is hidden

# Up to the last @: one may stand in a password that was not percent-encoded.
_USER_PART = re.compile(r"^([\w+]+://[^:/@]*):.*@")
_QUERY_PART = re.compile(r"([?&]\w*(?:password|passwd|pwd|secret|token)=)[^&]*", re.IGNORECASE)


def hide_password(url: str) -> str:
    """Put *** in the place of each password of a URL; another text is given back as it is."""
    return _QUERY_PART.sub(rf"\1{HIDDEN}", _USER_PART.sub(rf"\1:{HIDDEN}@", url))


def fill_password(url: str) -> str:
    """Put the password of the environment in the place of ***.

    Without one there the password is left out: the driver may find it by itself, as PostgreSQL's
    does in PGPASSWORD or ~/.pgpass.
    """
    password = os.environ.get(VARIABLE)
    if password is None:
        return url.replace(f":{HIDDEN}@", "@")
    from urllib.parse import quote

    return url.replace(f":{HIDDEN}@", f":{quote(password, safe='')}@")


def hide_in_config(config: DictConfig) -> None:
    """Take the password out of a sweep's configuration, which Hydra writes beside each run.

    Args:
        config: of the sweep, node `hydra` included; changed in place, before jobs are composed. An
            interpolation such as `${oc.env:STORAGE}` stays as it was typed.
    """
    sweeper = config.hydra.sweeper
    told = OmegaConf.to_container(sweeper).get("storage")  # type: ignore[union-attr]  # a mapping
    if not isinstance(told, str) or (hidden := hide_password(told)) == told:
        return
    with read_write(config.hydra), open_dict(config.hydra):
        sweeper.storage = hidden
        # Jobs are composed from the overrides, and from files that may name the storage too.
        others = [each for each in config.hydra.overrides.hydra if not _names_storage(each)]
        config.hydra.overrides.hydra = [*others, f"{KEY}='{hidden}'"]


def _names_storage(override: str) -> bool:
    return override.lstrip("+").startswith(f"{KEY}=")
