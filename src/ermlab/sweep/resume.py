"""Finds the command that began a sweep, so that it can be given again in the same folder.

What such a command may ask for is checked in `permitted.py`.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab import foreign, rundir
from ermlab.errors import RunDirError

LARGEST_BYTES = 4 * 2**20  # a hundred times a usual one: more is some other file


@dataclass(frozen=True, kw_only=True)
class Command:
    """How a sweep was started.

    Args:
        sweep_dir: its folder.
        overrides: as Hydra's command line gets them; the last one is the folder of the sweep.
        config_dirs: folders of further options.
        folder: the one it was started in; None if that is not to be had.
    """

    sweep_dir: Path
    overrides: list[str]
    config_dirs: list[str]
    folder: Path | None

    @property
    def words(self) -> list[str]:
        """What Hydra's command line gets."""
        options = [word for path in self.config_dirs for word in ("--config-dir", path)]
        return ["--multirun", *options, *self.overrides]


def find_command(sweep_dir: Path) -> Command:
    """Read how a sweep of the sweeper `study` was started.

    Args:
        sweep_dir: its folder.

    Raises:
        RunDirError: there is no such sweep, or its file is damaged.
    """
    path = sweep_dir / rundir.MULTIRUN
    if not (sweep_dir / rundir.STUDY).is_file() and not _has_storage(path):
        raise RunDirError(
            "there is no sweep that can be gone on with",
            where=str(sweep_dir),
            fix=f"name the folder of a sweep with {rundir.STUDY}, or of one with a storage: those "
            "of hydra/sweeper=study",
        )
    try:
        hydra = _read(path)
        task, own = (_words(path, hydra["overrides"][name]) for name in ("task", "hydra"))
        folder = str(hydra["runtime"]["cwd"])
        sources = [dict(source) for source in hydra["runtime"]["config_sources"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"it lacks a part ({error!r})") from error
    own = [each for each in own if not each.startswith(("hydra.mode=", "hydra.sweep.dir="))]
    return Command(
        sweep_dir=sweep_dir,
        overrides=[*task, *own, f"hydra.sweep.dir={_quote(sweep_dir.resolve())}"],
        config_dirs=[
            str(Path(str(source.get("path"))).absolute())
            for source in sources
            if source.get("provider") == "command-line"
        ],
        folder=find_folder(folder),
    )


def _has_storage(path: Path) -> bool:
    """Whether a sweep of the sweeper `study` has its study in a database."""
    if not path.is_file():
        return False
    sweeper = _read(path).get("sweeper")
    is_study = isinstance(sweeper, dict) and str(sweeper.get("_target_")).startswith("ermlab.")
    return is_study and sweeper.get("storage") is not None


def find_folder(recorded: str) -> Path | None:
    """Take the folder that a run or sweep was started in, as it was recorded, if it is there.

    A path that is not spelled as the system spells it was not written by Hydra: it may lead back
    to wherever the reader stands, as `/proc/self/cwd` does.
    """
    path = Path(recorded)
    is_real = path.is_absolute() and "\0" not in recorded and path.resolve() == path
    return path if is_real and path.is_dir() else None


def _read(path: Path) -> Any:
    try:
        text = foreign.read_text(path, largest_bytes=LARGEST_BYTES)
        rundir.check_yaml(text)
        return OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))["hydra"]  # type: ignore[index,call-overload]  # a KeyError is told
    except (OSError, UnicodeDecodeError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise _damaged(path, " ".join(str(error).split())) from error


def _words(path: Path, read: Any) -> list[str]:
    if not isinstance(read, list) or not all(isinstance(word, str) for word in read):
        raise _damaged(path, "the overrides are not a list of texts")
    return read


def _quote(path: Path) -> str:
    """Write a path so that Hydra's grammar reads it as one text."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _damaged(path: Path, reason: str) -> RunDirError:
    return RunDirError(
        f"cannot read how the sweep was started: {reason}",
        where=str(path),
        fix="type the command that began the sweep again, with hydra.sweep.dir= its folder",
    )
