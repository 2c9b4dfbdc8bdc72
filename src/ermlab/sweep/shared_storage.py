"""Optuna's storage in a database, for a study that several processes share.

It adds three things to Optuna's: a study has never more trials than its total, whoever asks; a new
trial is given to its process in the same transaction; and parameters and reports are written
together rather than each in a transaction of its own.

This leans on private parts of Optuna, which `pyproject.toml` holds below 6: `tests/sweep/
test_shared_study.py` fails where one of them is renamed or not called any more.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import (
    StudyModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
)
from optuna.trial import FrozenTrial
from sqlalchemy.orm import Session

from ermlab.sweep.leases import create_table, new_lease

Param = tuple[int, str, float, BaseDistribution, BaseDistribution | None]

WAIT_S = 60  # own; for another process that writes, before SQLite says that it is locked
CONNECT_S = 10  # own; a machine that does not answer is told of, rather than waited for minutes
_TIMEOUTS = {
    "sqlite": {"timeout": WAIT_S},
    "postgresql+psycopg": {"connect_timeout": CONNECT_S},
    "postgresql+psycopg2": {"connect_timeout": CONNECT_S},
    "mysql+pymysql": {"connect_timeout": CONNECT_S},
    "mysql+mysqldb": {"connect_timeout": CONNECT_S},
}


class TotalReachedError(Exception):
    """The study has all its trials: the one that was asked for is not created."""


class SharedStorage(RDBStorage):
    """A database in which processes share studies.

    Args:
        url: of the database, as SQLAlchemy takes it.
        n_trials: the most that a study may have, >= 1.
        owner: the name of this process (see `name_process`).
    """

    def __init__(self, url: str, *, n_trials: int, owner: str) -> None:
        self._n_trials, self._owner = n_trials, owner
        self._params: list[Param] = []
        self._lock = threading.Lock()  # pruning and asking are in threads of their own
        self._reports: dict[tuple[int, int], float] = {}  # by Optuna's id of the trial, and step
        parsed = sa.make_url(url)
        name = f"{parsed.get_backend_name()}+{parsed.get_driver_name()}"
        timeouts = _TIMEOUTS.get("sqlite" if name.startswith("sqlite") else name, {})
        given = {key: each for key, each in timeouts.items() if key not in parsed.query}
        try:
            super().__init__(url, engine_kwargs={"connect_args": given})
            create_table(self.engine)
        except BaseException:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise

    def create_trials(self, study_id: int, n: int) -> list[int]:
        """Create trials with numbers in a row and give them to this process, in one transaction.

        Args:
            study_id: of the study.
            n: how many, >= 1.

        Returns:
            Their numbers; fewer than `n`, or none, when the study has its total.
        """
        numbers: list[int] = []
        with Session(self.engine) as session, session.begin():
            StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
            with suppress(TotalReachedError):
                for _ in range(n):
                    trial = self._get_prepared_new_trial(study_id, None, session)
                    numbers.append(int(trial.number))
        return numbers

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> TrialModel:
        # The caller holds the lock under which Optuna numbers trials (SQLite: that of a writer), so
        # that no other process counts meanwhile.
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        if trial.number >= self._n_trials:
            session.delete(trial)
            session.flush()
            raise TotalReachedError
        session.execute(new_lease(study_id, int(trial.number), self._owner))
        return trial

    def _set_trial_param(self, *param: Any) -> None:
        self._params.append(param)

    def write_params(self) -> None:
        """Write the parameters that were suggested since the last call, in one statement."""
        rows = [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": value,
                "distribution_json": distribution_to_json(distribution),
            }
            for trial_id, name, value, distribution, _ in self._params
        ]
        self._insert(TrialParamModel, rows)
        self._params = []

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Keep a report until `write_reports`."""
        with self._lock:
            self._reports[trial_id, step] = intermediate_value

    def write_reports(self) -> None:
        """Write what trials have reported since the last call, in one statement."""
        with self._lock:
            rows = [_row(*key, value) for key, value in self._reports.items()]
            try:
                self._insert(TrialIntermediateValueModel, rows)
            except sa.exc.IntegrityError:  # some are written: an answer of the database was lost
                for row in rows:
                    with suppress(sa.exc.IntegrityError):
                        self._insert(TrialIntermediateValueModel, [row])
            self._reports = {}

    def drop_reports(self, trial_id: int) -> None:
        """Forget what a trial has reported that is not written yet."""
        with self._lock:
            self._reports = {key: each for key, each in self._reports.items() if key[0] != trial_id}

    def remove_reports(self, trial_id: int) -> None:
        """Remove what a trial has reported: it begins anew, or it has failed."""
        model = TrialIntermediateValueModel
        self.drop_reports(trial_id)
        with self.engine.begin() as connection:
            connection.execute(sa.delete(model).where(model.trial_id == trial_id))

    def _insert(self, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            with self.engine.begin() as connection:
                connection.execute(sa.insert(model), rows)


def _row(trial_id: int, step: int, value: float) -> dict[str, Any]:
    stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
    values = {"intermediate_value": stored, "intermediate_value_type": kind}
    return {"trial_id": trial_id, "step": step, **values}
