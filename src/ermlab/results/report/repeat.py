"""The commands that train the runs of a report again, from what Hydra wrote beside them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ermlab import rundir
from ermlab.results.plots.subject import dig, read_words, read_yaml

SWEEPS = "sweeps"  # the group of sweep files, which a single run refuses
_MODE = "hydra.mode="  # Hydra adds it by itself for -m
_UNTESTED = "loop.test=false"  # a sweep tells each run so, and reads the winner's split at its end
_PLAIN = re.compile(r"[\w.+\-/]+")  # what Hydra's grammar of overrides reads as it stands


def repeat_sweep(sweep: dict[str, Any]) -> str:
    """Give the command that starts a sweep again.

    Args:
        sweep: what Hydra wrote when the sweep started.
    """
    hydra = read_words(sweep, "hydra", "overrides", "hydra")
    task = read_words(sweep, "hydra", "overrides", "task")
    words = [word for word in hydra if not word.startswith(_MODE)] + task
    return shlex.join(["ermlab", "-m", *_config_dir(sweep), *words])


def repeat_run(run_dir: Path, *, has_test: bool) -> str:
    """Give the command that trains one run of a sweep again, by itself.

    `sweeps=NAME`, which asks for many runs, is replaced by what its file says of each of them.

    Args:
        run_dir: the run directory.
        has_test: whether its test split was read, if only at the end of the sweep.

    Returns:
        The command; empty if a file that it depends on cannot be read.
    """
    words = read_yaml(run_dir / rundir.OVERRIDES)
    if not isinstance(words, list):
        return ""
    kept = [str(word) for word in words if not (has_test and word == _UNTESTED)]
    chosen = [word.partition("=")[2] for word in kept if word.partition("=")[0] == SWEEPS]
    own = [word for word in kept if word.partition("=")[0] != SWEEPS]
    config = read_yaml(run_dir / rundir.HYDRA_CONFIG)
    given = {word.partition("=")[0] for word in own}
    for name in chosen:
        content = _read_sweep_file(config, name)
        if content is None:
            return ""
        own = [word for key, word in _spell(content) if key not in given] + own
    return shlex.join(["ermlab", *_config_dir(config), *own])


def _config_dir(config: object) -> list[str]:
    """Give the words `--config-dir FOLDER`, if the configuration came from there as well."""
    folders = [path for provider, path in _sources(config) if provider == "command-line"]
    return ["--config-dir", folders[0]] if folders else []


def _sources(config: object) -> Iterator[tuple[str, str]]:
    sources = dig(config, "hydra", "runtime", "config_sources")
    for source in sources if isinstance(sources, list) else []:
        path = dig(source, "path")
        if dig(source, "schema") == "file" and path:
            yield str(dig(source, "provider")), str(path)


def _read_sweep_file(config: object, name: str) -> dict[str, Any] | None:
    if not re.fullmatch(r"[\w\-]+", name):  # a file in the group's folder and nowhere else
        return None
    for _, folder in _sources(config):
        content = read_yaml(Path(folder) / SWEEPS / f"{name}.yaml")
        if isinstance(content, dict):
            return content
    return None


def _spell(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Spell the content of a sweep file as overrides, less what it says of Hydra itself."""
    defaults = content.get("defaults")
    for entry in defaults if isinstance(defaults, list) else []:
        for key, option in entry.items() if isinstance(entry, dict) else []:
            group = str(key).split()[-1].lstrip("/")
            if not group.startswith("hydra/"):
                yield group, f"{group}={option}"
    values = {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
    for key, value in rundir.flat_columns(values).items():
        yield key, f"{key}={_spell_value(value)}"


def _spell_value(value: rundir.Value) -> str:
    if value is None:
        return "null"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, str) or _PLAIN.fullmatch(text) or text.startswith(("[", "${")):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
