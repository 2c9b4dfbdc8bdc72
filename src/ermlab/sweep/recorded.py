"""Reads back what Hydra wrote of a run, so that its trial can be carried out again.

The files may be a stranger's: they are read as plain data, and nothing that they name is called
here. Training again is in `verify.py`.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.execution_policy import execution_whitelist
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ermlab import foreign, rundir
from ermlab.config.schema import Config
from ermlab.config.store import GROUPS, find_schema
from ermlab.errors import RunDirError
from ermlab.sweep.added_keys import fill_added
from ermlab.sweep.resume import find_folder

LARGEST_BYTES = 4 * 2**20  # a hundred times a usual one: more is some other file


@dataclass(frozen=True, kw_only=True)
class RecordedTrial:
    """What a run was asked to do: its configuration, its chosen options, and Hydra's own node."""

    config: DictConfig
    choices: dict[str, str | None]
    hydra: DictConfig


def read_trial(run_dir: Path) -> RecordedTrial:
    """Read a run's configuration as it was when the run began.

    It is taken from `.hydra/config.yaml` rather than composed again: a YAML file of the user's or
    of a newer ermlab may say something else by now. Interpolations stand in it as they were typed,
    and options of ours get their schema back, which tells what is wrong with a file. A key that
    ermlab has got since has its default.

    Raises:
        RunDirError: a file is missing, damaged, or not what Hydra writes.
    """
    hydra_path, config_path = run_dir / rundir.HYDRA_CONFIG, run_dir / rundir.CONFIG
    read, text = _parse(_read(hydra_path), hydra_path).get("hydra"), _read(config_path)
    hydra = _merge(HydraConf, read, hydra_path, "hydra")
    choices = {str(k): None if v is None else str(v) for k, v in _choices(hydra, hydra_path)}
    config = _merge(Config, _parse(text, config_path), config_path, "the configuration")
    if OmegaConf.is_missing(config, "tracker"):
        config.tracker = {}  # of an ermlab that had no trackers
    for group in GROUPS:
        _restore_schema(config, group, choices.get(group), config_path)
    # As text: interpolations cannot be resolved here (OmegaConf.missing_keys does).
    missing = list(_missing(OmegaConf.to_container(config), ""))
    whole = text.endswith("\n")
    left = fill_added(config, missing, run_dir=run_dir, choices=choices, is_whole=whole)
    if left:
        raise _damaged(config_path, f"it lacks {', '.join(left)}")
    return RecordedTrial(config=config, choices=choices, hydra=hydra)


@contextmanager
def as_in_run(trial: RecordedTrial, *, allow: Sequence[str]) -> Iterator[DictConfig]:
    """Give a copy of the configuration, in surroundings like those of the run.

    `${hydra:...}` reads what the run read, and relative paths begin in the folder in which it was
    started, if that is still there.

    Args:
        trial: what was read.
        allow: patterns of the targets that may be called, also by code that the trial calls.
    """
    setup_globals()  # Hydra's resolvers: now, hydra, oc.env
    whole = trial.config.copy()
    with open_dict(whole):
        whole.hydra = trial.hydra.copy()
    instance = HydraConfig.instance()
    before = instance.cfg
    folder = find_folder(str(trial.hydra.runtime.cwd))
    try:
        instance.set_config(whole)
        with (
            nullcontext() if folder is None else chdir(folder),
            execution_whitelist(list(allow), reset=True),
        ):
            yield trial.config.copy()
    finally:
        instance.cfg = before


def _read(path: Path) -> str:
    try:
        return foreign.read_text(path, largest_bytes=LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise _damaged(path, " ".join(str(error).split())) from error


def _parse(text: str, path: Path) -> DictConfig:
    try:
        rundir.check_yaml(text)
        read = OmegaConf.load(io.StringIO(text))
    except (ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise _damaged(path, " ".join(str(error).split())) from error
    if not isinstance(read, DictConfig):
        raise _damaged(path, "it is not a mapping")
    return read


def _merge(schema: type, read: Any, path: Path, name: str) -> DictConfig:
    if not isinstance(read, DictConfig):
        raise _damaged(path, f"{name} is not a mapping")
    base = OmegaConf.structured(schema)
    OmegaConf.set_struct(base, schema is not HydraConf)  # groups of Hydra's add nodes, such as env
    try:
        merged = OmegaConf.merge(base, read)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from error
    assert isinstance(merged, DictConfig), "a mapping merged with a schema is one"
    return merged


def _choices(hydra: DictConfig, path: Path) -> list[tuple[Any, Any]]:
    for key in ("cwd", "choices"):
        if OmegaConf.is_missing(hydra.runtime, key):
            raise _damaged(path, f"it lacks hydra.runtime.{key}")
    return list(hydra.runtime.choices.items())


def _missing(value: object, path: str) -> Iterator[str]:
    if value == MISSING:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _missing(inner, f"{path}.{key}" if path else str(key))


def _restore_schema(config: DictConfig, group: str, option: str | None, path: Path) -> None:
    """Give a group its types and ranges, where it holds an option of ours with its keys."""
    node, schema = config._get_node(group), find_schema(group, option)
    if not isinstance(node, DictConfig):
        if OmegaConf.is_missing(config, group):
            return  # told with whatever else is missing
        raise _damaged(path, f"{group} is not a mapping")
    # An option of the user's may have the name of one of ours, and other keys.
    if schema is not None and set(node) <= {field.name for field in fields(schema)}:
        config[group] = _merge(schema, node, path, group)


def _damaged(path: Path, reason: str) -> RunDirError:
    return RunDirError(
        f"cannot read what the run was asked to do: {reason}",
        where=str(path),
        fix="restore the file as Hydra wrote it, or train the trial again",
    )
