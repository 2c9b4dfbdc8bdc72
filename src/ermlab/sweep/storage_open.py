"""Opens the study of a sweep in a database, or creates it there; several processes may at once."""

import json
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages._rdb.models import StudyUserAttributeModel
from optuna.study import StudyDirection

from ermlab.errors import ConfigError, StorageError
from ermlab.sweep.question import Question, read_question, refuse_changes
from ermlab.sweep.shared_cache import SharedCache
from ermlab.sweep.shared_storage import SharedStorage
from ermlab.sweep.storage_failure import explain_failure
from ermlab.sweep.storage_url import KEY, fill_password, hide_password
from ermlab.trial.provenance import find_versions

T = TypeVar("T")

FORMAT = 1  # raised when what the attribute holds changes
ATTRIBUTE = "ermlab"  # of the study: what it asks, and which versions began it
TRIES = 20  # own; processes that create the tables at the same time hinder each other

# What databases say when another process has created a table or row in the same moment.
_RACE = ("already exists", "duplicate", "unique constraint", "unique violation", "deadlock")


def open_storage(url: str, *, n_trials: int, owner: str) -> SharedStorage:
    """Connect to a database and create its tables where they are not there.

    Args:
        url: of the database; *** in the place of a password is filled in.
        n_trials: the most trials that a study may have, >= 1.
        owner: the name of this process.

    Raises:
        ConfigError: the database is in memory, so no other process could read it.
        StorageError: it cannot be used.
    """
    whole = fill_password(url)
    if whole.startswith("sqlite") and whole.endswith((":memory:", "://")):
        raise ConfigError(
            f"hydra.sweeper.storage is {whole}, which ends with the process",
            where=KEY,
            fix="name a file, as in sqlite:///study.db, or leave the storage out",
        )

    try:
        return _try_again(lambda: SharedStorage(whole, n_trials=n_trials, owner=owner))
    except (sa.exc.SQLAlchemyError, OptunaError) as error:
        raise explain_failure(error, whole) from error
    except (ImportError, ValueError, LookupError, RuntimeError, OSError) as error:
        raise explain_failure(error, whole) from error


def open_study(
    cache: SharedCache,
    storage: SharedStorage,
    name: str,
    *,
    sampler: BaseSampler,
    pruner: BasePruner,
    question: Question,
    go_on_changed: bool,
) -> optuna.Study:
    """Find a study by its name, or create it.

    Args:
        cache: of the storage.
        storage: see `open_storage`.
        name: of the study.
        sampler: suggests.
        pruner: decides.
        question: what the sweep asks; must be what the study has.
        go_on_changed: whether to go on although it has changed.

    Raises:
        RunDirError: the study asks something else.
        StorageError: it is not a study of this sweeper, or the database failed.
    """
    where = f"study {name!r} in {hide_password(str(storage.url))}"
    try:
        study = _try_again(
            lambda: optuna.create_study(
                study_name=name,
                storage=cache,
                sampler=sampler,
                pruner=pruner,
                directions=[StudyDirection[each.upper()] for each in question.directions],
                load_if_exists=True,
            )
        )
        if ATTRIBUTE not in study.user_attrs and not study.get_trials(deepcopy=False):
            _write_question(storage, study._study_id, question)
        told = study.user_attrs.get(ATTRIBUTE)
    except (sa.exc.SQLAlchemyError, OptunaError) as error:
        raise explain_failure(error, storage.url) from error
    recorded, versions = _read(told, where)
    refuse_changes(
        recorded,
        question,
        versions,
        where=where,
        holder="this study",
        go_on_changed=go_on_changed,
    )
    return study


def _write_question(storage: SharedStorage, study_id: int, question: Question) -> None:
    """Write what the sweep asks, unless another process has just done so."""
    told = {"format": FORMAT, "question": asdict(question), "versions": find_versions()}
    row = {"study_id": study_id, "key": ATTRIBUTE, "value_json": json.dumps(told)}
    try:
        with storage.engine.begin() as connection:
            connection.execute(sa.insert(StudyUserAttributeModel).values(**row))
    except sa.exc.IntegrityError:  # whose question it is, is compared next
        return


def _read(told: Any, where: str) -> tuple[Question, dict[str, Any]]:
    try:
        if told["format"] == FORMAT:
            return read_question(told["question"]), dict(told["versions"])
        reason = f"it has format {told['format']}, this ermlab reads {FORMAT}"
    except (KeyError, TypeError, ValueError):
        reason = "hydra/sweeper=study did not begin it"
    raise StorageError(
        f"the study cannot be gone on with: {reason}",
        where=where,
        fix="choose another name with hydra.sweeper.study_name=...",
    )


def _try_again(call: Callable[[], T]) -> T:
    """Call what fails when another process does the same at the same time."""
    n_left = TRIES
    while True:
        n_left -= 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return call()
        except (sa.exc.DBAPIError, OptunaError) as error:
            told = f"{error} {error.__cause__}".lower()
            if not n_left or not any(sign in told for sign in _RACE):
                raise
            time.sleep(random.uniform(0.02, 0.2))
