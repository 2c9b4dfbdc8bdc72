"""What a recorded sweep may ask of Hydra: its folder may be a stranger's, made to do harm.

Values and options of a trial are free, since every `_target_` is checked before it is called. But
Hydra itself starts programs, sets variables and writes to any path that its configuration names. So
what is recorded is composed, and may differ from ermlab's own only in what is listed here. Whoever
trusts a sweep that asks for more says so, or types its command again.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab import rundir
from ermlab.config.store import find_conf_dir
from ermlab.errors import RunDirError
from ermlab.sweep.resume import Command

# Of Hydra's node: what is told of a sweep, or only changes how it is trained.
FREE = ("sweep.dir", "mode", "verbose", "help", "hydra_help", "overrides", "runtime", "launcher",
        "sweeper", "job.override_dirname", "job.config_name")  # fmt: skip
PARAMS = "sweeper.params."  # overrides as well
NUMBERED = ("${hydra.job.num}", "${hydra.job.id}", "${hydra:job.num}", "${hydra:job.id}")
SWEEPER = "ermlab.plugins.study_sweeper.StudySweeper"
# The others start programs or send files. Of joblib's the folder of its temporary files is fixed.
LAUNCHERS = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "ermlab.plugins.stacked_launcher.StackedLauncher",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
)
UNSET = ("launcher.temp_folder", "sweeper.storage", "sweeper.study_name")


def check_command(command: Command) -> None:
    """Refuse a recorded command that could do more than train trials in the sweep's folder.

    Raises:
        RunDirError: it asks for more, or cannot be composed.
    """
    overrides = _parse(command.overrides, command)
    own, recorded = _compose(["hydra.mode=MULTIRUN"], []), _compose_recorded(command)
    for key in sorted({*own, *recorded}):
        before, now = own.get(key), recorded.get(key)
        if before != now and not _is_permitted(key, now):
            raise _refused(f"hydra.{key}={now}", command)
    for key, allowed in (("launcher._target_", LAUNCHERS), ("sweeper._target_", (SWEEPER,))):
        if recorded.get(key) not in allowed:
            raise _refused(f"hydra.{key}={recorded.get(key)}", command)
    params = [f"{k[len(PARAMS) :]}={v}" for k, v in recorded.items() if k.startswith(PARAMS)]
    searched = [str(path).removeprefix("file://") for path in recorded.get("searchpath") or []]
    options = [Path(path) for path in (*command.config_dirs, *searched)]
    for override in overrides:
        is_value = not override.is_sweep_override()  # then it stands in what was composed
        _check_override(override, command, options=options, is_composed=is_value)
    for override in _parse(params, command):
        _check_override(override, command, options=options, is_composed=False)


def _parse(words: Sequence[str], command: Command) -> list[Override]:
    for word in words:
        if word.startswith("-"):  # an option of Hydra's command line
            raise _refused(word, command)
    try:
        return OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise _uncomposed(error, command) from error


def _check_override(
    override: Override, command: Command, *, options: Sequence[Path], is_composed: bool
) -> None:
    """Refuse what would change Hydra's node in a job but not in the sweep.

    Args:
        override: of the sweep.
        command: that it is of.
        options: folders of options that are not ermlab's; one may set anything, in its job alone.
        is_composed: whether the configuration of the sweep shows what it does.
    """
    key, package = override.key_or_group, str(override.package or "").split(".")[0]
    of_hydra = re.split(r"[./@]", key)[0] == "hydra"
    is_hidden = not is_composed and (of_hydra or any((path / key).is_dir() for path in options))
    if package in ("hydra", "_global_") or is_hidden:
        raise _refused(str(override.input_line), command)


def _is_permitted(key: str, value: Any) -> bool:
    if key in UNSET:
        return value is None
    if key == "sweep.subdir":
        return value in NUMBERED
    if key == "searchpath":
        return isinstance(value, list) and all(str(each).startswith("file://") for each in value)
    if key == "job.name":
        return isinstance(value, str) and value.isidentifier()
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _compose_recorded(command: Command) -> dict[str, Any]:
    try:
        return _compose(command.overrides, command.config_dirs)
    except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
        raise _uncomposed(error, command) from error


def _compose(overrides: list[str], config_dirs: list[str]) -> dict[str, Any]:
    """Compose a sweep, and return Hydra's node by dotted key, interpolations as they stand."""
    search_path = create_config_search_path(str(find_conf_dir()))
    assert isinstance(search_path, ConfigSearchPathImpl), "it is Hydra's only one"
    for path in config_dirs:
        anchor = SearchPathQuery(provider="schema")
        search_path.prepend("command-line", f"file://{Path(path).absolute()}", anchor)
    before, name = GlobalHydra.instance().hydra, JobRuntime.instance().get("name")
    GlobalHydra.instance().clear()
    try:
        hydra = Hydra.create_main_hydra2("ermlab", search_path)
        config = hydra.compose_config("config", overrides, RunMode.MULTIRUN)
    finally:  # a sweep that asks about itself goes on with its own
        GlobalHydra.instance().hydra = before
        JobRuntime.instance().set("name", name)
    return dict(_flatten(OmegaConf.to_container(_node(config)), ""))


def _node(config: DictConfig) -> DictConfig:
    node = config._get_node("hydra")
    assert isinstance(node, DictConfig), "Hydra's schema has a mapping there"
    return node


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{path}.{key}" if path else str(key))
    elif value not in ({}, []):
        yield path, value


def _refused(word: str, command: Command) -> RunDirError:
    return RunDirError(
        f"the sweep was started with {word}, which a stranger's folder could misuse",
        where=str(command.sweep_dir / rundir.MULTIRUN),
        fix=f"if you trust it, add --trust to resume, or give its command yourself: "
        f"{_typed(command)}",
    )


def _uncomposed(error: Exception, command: Command) -> RunDirError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return RunDirError(
        f"the command that began the sweep cannot be composed: {' '.join(lines[:2])}",
        where=str(command.sweep_dir / rundir.MULTIRUN),
        fix=f"give it yourself, mended: {_typed(command)}",
    )


def _typed(command: Command) -> str:
    return f"ermlab {shlex.join(command.words)}"
