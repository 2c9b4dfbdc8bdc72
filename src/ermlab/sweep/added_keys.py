"""Gives a recorded configuration the keys that ermlab has got since, with their defaults.

A file that was cut off lacks keys as well: whole groups, the end of its last line, or keys that its
run's summary tells. Those are not filled in.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from ermlab import rundir
from ermlab.config.store import GROUPS, find_conf_dir
from ermlab.errors import RunDirError

log = logging.getLogger(__name__)


def fill_added(
    config: DictConfig,
    missing: Sequence[str],
    *,
    run_dir: Path,
    choices: Mapping[str, str | None],
    is_whole: bool,
) -> list[str]:
    """Set the keys that were not there when a run was recorded, and say so.

    Args:
        config: changed in place.
        missing: dotted keys without a value.
        run_dir: of the run; a column of its summary tells a key that was there.
        choices: the chosen option of each group.
        is_whole: whether the file ends as Hydra ends it.

    Returns:
        The keys that are still missing.
    """
    told = _read_summary(run_dir)
    if not is_whole or set(GROUPS) & set(missing):
        return list(missing)
    added = {}
    for key in missing:
        group, _, name = key.rpartition(".")
        defaults = _read_defaults(group, choices.get(group))
        if key not in told and name in defaults:
            added[key] = defaults[name]
            OmegaConf.update(config, key, defaults[name])
    if added:
        shown = ", ".join(f"{key}={value}" for key, value in added.items())
        log.warning("%s was recorded before these keys were there: %s", run_dir, shown)
    return [key for key in missing if key not in added]


def _read_summary(run_dir: Path) -> Mapping[str, Any]:
    try:
        return rundir.read_summary(run_dir) or {}
    except RunDirError:
        return {}


def _read_defaults(group: str, option: str | None) -> Mapping[str, Any]:
    """Read the file of an option of ours, or of the top level."""
    folder = find_conf_dir()
    if group not in GROUPS:
        path = folder / "config.yaml"
    elif option in {path.stem for path in (folder / group).glob("*.yaml")}:
        path = folder / group / f"{option}.yaml"
    else:
        return {}
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read if isinstance(read, dict) else {}
