"""What can be told of a run that has no summary: the configuration Hydra wrote when it started.

YAML is slow to read beside JSON, so only runs without a readable summary come here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ermlab import foreign, rundir
from ermlab.rundir import Value

LARGEST_BYTES = 4 * 2**20  # own: a hundred times a usual one

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where it is built
_OURS = frozenset(("data", "model", "loss", "optimizer", "loop", "objective"))


def read_config_columns(run_dir: Path) -> dict[str, Value]:
    """Read a run's configuration as flat columns, group choices included.

    Args:
        run_dir: the run directory; files of `.hydra/` that it lacks give no columns.

    Returns:
        The columns that its summary would have, except those that the run itself found out:
        interpolations and `device: auto` are left out. If a file cannot be read, the columns so
        far and the reason in `error`.
    """
    columns: dict[str, Value] = {}
    try:
        config = parse_yaml(_read(run_dir / rundir.CONFIG))
        if isinstance(config, dict):
            # One without keys, such as `tracker=none`, says nothing.
            groups = {key for key, value in config.items() if isinstance(value, dict) and value}
            columns = _read_choices(run_dir, groups) | rundir.flat_columns(config)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        columns["error"] = f"cannot read {rundir.CONFIG.parent}: {' '.join(str(error).split())}"
    return {key: value for key, value in columns.items() if not _is_open(key, value)}


def is_ours(columns: Mapping[str, Value]) -> bool:
    """Whether a configuration is one of ermlab's, and not of another Hydra application.

    One without any column counts as ours: the run was killed before Hydra wrote it.
    """
    return not columns or columns.keys() >= _OURS


def _read_choices(run_dir: Path, groups: set[Any]) -> dict[str, Value]:
    """Read which option of each group was chosen: `{"model": "two_layer"}`."""
    overrides = parse_yaml(_read(run_dir / rundir.OVERRIDES))
    words = overrides if isinstance(overrides, list) else []
    pairs = [str(word).partition("=") for word in words]
    typed: dict[Any, Any] = {key: option for key, sign, option in pairs if sign}
    every = parse_yaml(_block(_read(run_dir / rundir.HYDRA_CONFIG), "    choices:", indent=6))
    chosen = typed | (every if isinstance(every, dict) else {})
    return rundir.flat_columns({key: chosen[key] for key in chosen if key in groups})


def _block(text: str, head: str, indent: int) -> str:
    # hydra.yaml has hundreds of lines, of which these few are wanted: cut before parsing.
    _, _, rest = text.partition(f"\n{head}\n")
    lines = rest.split("\n")
    end = next((i for i, line in enumerate(lines) if not line.startswith(" " * indent)), len(lines))
    return "\n".join(lines[:end])


def _read(path: Path) -> str:
    try:
        return foreign.read_text(path, largest_bytes=LARGEST_BYTES)
    except FileNotFoundError:
        return ""


def parse_yaml(text: str) -> object:
    """Parse a file that Hydra wrote, and refuse what Hydra never writes (see `check_yaml`)."""
    rundir.check_yaml(text)
    return yaml.load(text, Loader=_LOADER)


def _is_open(key: str, value: Value) -> bool:
    # What the run itself would have found out: an interpolation's value, the device of `auto`.
    return isinstance(value, str) and ("${" in value or (key, value) == ("device", "auto"))
