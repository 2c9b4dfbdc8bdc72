"""Trials of an Optuna study that some other program made: an SQLite database or a journal file.

A database is copied before Optuna sees it: it may be in use, be read-only, or come from an Optuna
with an older schema, to which only the copy is brought up to date. Optuna takes half a second to
import, and is imported when such a file is read.
"""

import logging
import math
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ermlab.errors import RunDirError
from ermlab.results.read_run import Row
from ermlab.results.tidy import clean_text
from ermlab.rundir import Value, flat_columns

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage
    from optuna.study._frozen import FrozenStudy
    from optuna.trial import FrozenTrial

_SQLITE = b"SQLite format 3\0"
_METRIC_NAMES = "study:metric_names"  # where Optuna keeps the names that a user gave to the values
_STATUSES = {
    "COMPLETE": "completed",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "unfinished",
    "WAITING": "unfinished",
}


def is_study_file(path: Path) -> bool:
    """Whether a path is to be read as a study: it is a file, not a folder."""
    return path.is_file()


def read_study(path: Path) -> list[tuple[Path, Row]]:
    """Read the trials of each study in a file.

    Args:
        path: an SQLite database or journal file of Optuna.

    Returns:
        For each trial `path/STUDY/NUMBER` and its row: the parameters; `study`, `trial`, `status`;
        `value`, or `value_0`, `value_1`, or the names that the study has for them; `objective` and
        `direction` where there is one value; `wall_s`; the user's attributes, as Optuna names them
        (`user_attrs_NAME`). A complete trial whose value is not finite is `diverged`.

    Raises:
        RunDirError: the file is no study, cannot be read, or has no trial.
    """
    rows = [
        (_trial_path(path, study, trial), _read_trial(study, trial))
        for study, trials in _read_file(path)
        for trial in trials
    ]
    if not rows:
        raise RunDirError(
            "the study has no trial", where=str(path), fix="name a study in which a trial has begun"
        )
    return rows


def read_study_history(path: Path) -> pd.DataFrame:
    """Read the intermediate values of each trial in a file.

    Returns:
        One row for each: `run_dir` as `read_study` spells it, `step`, and `value`.

    Raises:
        RunDirError: the file is no study, or cannot be read.
    """
    rows = [
        (clean_text(str(_trial_path(path, study, trial))), step, float(value))
        for study, trials in _read_file(path)
        for trial in trials
        for step, value in sorted(trial.intermediate_values.items())
    ]
    frame = pd.DataFrame(rows, columns=["run_dir", "step", "value"])
    return frame.astype({"step": "int64", "value": "float64"})


def _trial_path(path: Path, study: "FrozenStudy", trial: "FrozenTrial") -> Path:
    return Path(f"{path}/{study.study_name}/{trial.number}")


def _read_trial(study: "FrozenStudy", trial: "FrozenTrial") -> Row:
    names = _value_names(study)
    values: Sequence[float | None] = trial.values or [None] * len(names)
    status = _STATUSES[trial.state.name]
    if status == "completed" and not all(value is None or math.isfinite(value) for value in values):
        status = "diverged"
    about: dict[str, Value] = {"study": study.study_name, "trial": trial.number, "status": status}
    about |= zip(names, values, strict=True)
    if len(names) == 1:
        about |= {"objective": names[0], "direction": study.directions[0].name.lower()}
    duration = trial.duration
    about["wall_s"] = None if duration is None else duration.total_seconds()
    attributes = {f"user_attrs_{name}": value for name, value in trial.user_attrs.items()}
    params = flat_columns(trial.params)
    plain = [name for name in params if "." not in name]
    return Row(params | about | flat_columns(attributes), plain)


def _value_names(study: "FrozenStudy") -> list[str]:
    n_values = len(study.directions)
    named = study.system_attrs.get(_METRIC_NAMES)
    if isinstance(named, list) and len(named) == n_values:
        return [str(name) for name in named]
    return ["value"] if n_values == 1 else [f"value_{i}" for i in range(n_values)]


def _read_file(path: Path) -> list[tuple["FrozenStudy", list["FrozenTrial"]]]:
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    known = (OptunaError, SQLAlchemyError, sqlite3.Error, OSError, ValueError, LookupError)
    try:
        with _storage(path) as storage:
            studies = storage.get_all_studies()
            return [(study, storage.get_all_trials(study._study_id)) for study in studies]
    except (*known, RuntimeError) as error:
        raise _unreadable(path, str(error).strip().split("\n")[0]) from error


@contextmanager
def _storage(path: Path) -> Iterator["BaseStorage"]:
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(_SQLITE):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "study.db"
            source = f"{path.resolve().as_uri()}?mode=ro"
            reading = sqlite3.connect(source, uri=True)
            with closing(reading) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
            yield from _open_copy(copy, path)
    elif b'"op_code"' in start:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        yield JournalStorage(JournalFileBackend(str(path)))
    else:
        raise _unreadable(path, "it is neither an SQLite database nor a journal file of Optuna")


def _open_copy(copy: Path, path: Path) -> Iterator["BaseStorage"]:
    from optuna.storages import RDBStorage

    with closing(sqlite3.connect(copy)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if ("studies",) not in tables.fetchall():
            raise _unreadable(path, "this database is not one of Optuna")
    storage = RDBStorage(f"sqlite:///{copy}", skip_compatibility_check=True)
    try:
        if storage.get_current_version() != storage.get_head_version():
            _upgrade(storage)
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _upgrade(storage: "RDBStorage") -> None:
    # Where the root logger has no handler, Optuna's migration sets up logging for this process.
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna has since renamed
            storage.upgrade()
    finally:
        logging.getLogger().removeHandler(handler)


def _unreadable(path: Path, reason: str) -> RunDirError:
    return RunDirError(
        f"cannot read a study of Optuna: {reason}",
        where=str(path),
        fix="name a folder of runs, or the file of a study: SQLite or a journal",
    )
