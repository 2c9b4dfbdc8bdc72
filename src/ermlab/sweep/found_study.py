"""Finds the study of a sweep, in whichever storage it is, to look at it.

The sweeper `study` keeps a journal (`followed.py` reads it); Optuna's own sweeper, and other
programs, keep a database or Optuna's journal file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from ermlab import rundir
from ermlab.errors import RunDirError, describe_error
from ermlab.sweep.followed import FollowedStudy

SQLITE = b"SQLite format 3\x00"  # what each database file of SQLite begins with
JOURNAL = b'{"op_code":'  # the same, of Optuna's journal files
LARGEST_BYTES = 4 * 2**20  # of multirun.yaml, a hundred times a usual one


@dataclass(frozen=True, kw_only=True)
class FoundStudy:
    """A study to look at.

    Args:
        storage: of Optuna's.
        refresh: takes in what is new, where the storage does not by itself.
        told: where it is, for the user.
    """

    storage: BaseStorage
    refresh: Callable[[], None]
    told: str


def find_study(path: Path) -> FoundStudy:
    """Open the study of a sweep.

    Args:
        path: the folder of a sweep, or a file of an Optuna study.

    Raises:
        RunDirError: there is no study, or it cannot be opened.
    """
    if not path.exists():
        raise _nothing(path, "there is no such folder or file")
    if path.is_file() and path.name != rundir.STUDY:
        return _open_file(path)
    folder = path.parent if path.is_file() else path
    if (folder / rundir.STUDY).is_file():
        followed = FollowedStudy(folder)
        followed.refresh()
        told = str(folder / rundir.STUDY)
        return FoundStudy(storage=followed.storage, refresh=followed.refresh, told=told)
    url, cwd = _read_url(folder / rundir.MULTIRUN)
    if url is not None:
        return _open_url(url, folder, cwd)
    files = [each for each in sorted(folder.iterdir()) if each.is_file() and _kind(each)]
    if not files:
        raise _nothing(folder, "there is no study here")
    return _open_file(files[0])


def _open_file(path: Path) -> FoundStudy:
    kind = _kind(path)
    if kind == SQLITE:
        return _open_url(f"sqlite:///{path.absolute()}", path.parent, None)
    if kind == JOURNAL:
        storage = JournalStorage(JournalFileBackend(str(path)))
        return FoundStudy(storage=storage, refresh=_nothing_to_do, told=str(path))
    raise _nothing(path, "the file is no study of Optuna's")


def _open_url(url: str, folder: Path, cwd: str | None) -> FoundStudy:
    """Open a database; nothing is made in it."""
    if url.startswith("sqlite:///"):
        written = url.removeprefix("sqlite:///")
        places = [Path(cwd or ".") / written, folder / written, folder / Path(written).name]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise _nothing(places[0], "the database of the sweep is not there")
        url = f"sqlite:///{file.absolute()}"
    try:
        storage = RDBStorage(url, skip_table_creation=True)
        storage.get_all_studies()
    except Exception as error:  # the database's driver may raise anything
        raise RunDirError(
            f"cannot open the storage of the sweep: {describe_error(error)}",
            where=_without_password(url),
            fix="check that the database runs and that its driver is installed",
        ) from error
    return FoundStudy(storage=storage, refresh=_nothing_to_do, told=_without_password(url))


def _read_url(path: Path) -> tuple[str | None, str | None]:
    """Read the URL of the storage and the folder of the start of a sweep, as far as they stand."""
    if not path.is_file():
        return None, None
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None, None
        text = path.read_text(encoding="utf-8")
        rundir.check_yaml(text)
        hydra: Any = OmegaConf.to_container(OmegaConf.create(text))["hydra"]  # type: ignore[index,call-overload]  # a KeyError is told
        url, cwd = hydra["sweeper"].get("storage"), hydra["runtime"].get("cwd")
    except (OSError, KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError,
            OmegaConfBaseException) as error:  # fmt: skip
        raise RunDirError(
            f"cannot read where the study is: {describe_error(error)}",
            where=str(path),
            fix="name the file of the study instead of the folder",
        ) from error
    return (url if isinstance(url, str) else None), (cwd if isinstance(cwd, str) else None)


def _kind(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE))
    except OSError:
        return None
    return next((kind for kind in (SQLITE, JOURNAL) if head.startswith(kind)), None)


def _without_password(url: str) -> str:
    scheme, sign, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{sign}{user.partition(':')[0]}{at}{place}"


def _nothing_to_do() -> None:
    pass


def _nothing(path: Path, what: str) -> RunDirError:
    return RunDirError(
        what,
        where=str(path),
        fix="name the folder of a sweep of hydra/sweeper=study, or a database or journal of Optuna",
    )
