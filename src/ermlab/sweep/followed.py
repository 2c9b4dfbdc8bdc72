"""A study in memory that follows the journal of a sweep as it grows, for those who only look on.

The sweep itself writes the journal (`journal.py`) and has its own study (`study.py`).
"""

import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.sweep.journal import Asked, Told, read_journal

log = logging.getLogger(__name__)

LOSSES = ("valid_loss", "train_loss")  # the first that a history has is shown step by step


class FollowedStudy:
    """Reads what is new in a journal into a storage of Optuna's; writes nothing.

    Args:
        sweep_dir: the folder of the journal and of the runs.

    Raises:
        RunDirError: there is no journal, or it is damaged.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self._sweep_dir = sweep_dir
        self._path = sweep_dir / rundir.STUDY
        question, _, _ = read_journal(self._path)
        self._space: dict[str, BaseDistribution] = {
            key: json_to_distribution(text) for key, text in question.space.items()
        }
        self._replicates = question.replicates
        self.storage = InMemoryStorage()
        self._study = self.storage.create_new_study(
            [StudyDirection[each.upper()] for each in question.directions],
            study_name=sweep_dir.absolute().name,
        )
        self._lock = threading.Lock()
        self._n_applied = 0
        self._stamp = (-1, -1)
        self._ids: dict[int, int] = {}  # of the storage, by the number of a trial
        self._open: dict[int, int] = {}  # the same, of those that have not ended

    def refresh(self) -> None:
        """Take in what has been written since the last time."""
        with self._lock:
            try:
                status = self._path.stat()
                if (stamp := (status.st_size, status.st_mtime_ns)) != self._stamp:
                    self._apply(read_journal(self._path)[2][self._n_applied :])
                    self._stamp = stamp
            except (OSError, RunDirError) as error:
                log.warning("the study cannot be read any more: %s", error)
            for number, trial in self._open.items():
                self._add_values(number, trial)

    def _apply(self, events: list[Any]) -> None:
        ends = {event.trial: event for event in events if isinstance(event, Told)}
        for event in events:
            if isinstance(event, Asked):
                self._begin(event, ends.get(event.trial))
            elif isinstance(event, Told) and event.trial in self._open:
                self._end(event)
        self._n_applied += len(events)

    def _begin(self, asked: Asked, told: Told | None) -> None:
        """Add a trial, with its end if that has been written as well."""
        params = {k: v for k, v in asked.params.items() if self._is_in_space(k, v)}
        others = {k: v for k, v in asked.params.items() if k not in params}
        runs = self._run_dirs(asked.trial)
        trial = FrozenTrial(
            number=-1,  # the storage numbers trials as they come, which is how they were asked
            trial_id=-1,
            state=TrialState.RUNNING if told is None else _state(told),
            value=None,
            values=None if told is None or told.values is None else list(told.values),
            params=params,
            distributions={key: self._space[key] for key in params},
            user_attrs={**others, "run_dir": str(runs[0])},
            system_attrs={},
            intermediate_values={} if told is None else self._read_values(asked.trial),
            datetime_start=_time_of(runs[0] / rundir.CONFIG) or datetime.now(),
            datetime_complete=None
            if told is None
            else _time_of(runs[-1] / rundir.LAST) or datetime.now(),
        )
        self._ids[asked.trial] = self.storage.create_new_trial(self._study, trial)
        if told is None:
            self._open[asked.trial] = self._ids[asked.trial]

    def _end(self, told: Told) -> None:
        trial = self._open.pop(told.trial)
        self._add_values(told.trial, trial)
        self.storage.set_trial_state_values(trial, _state(told), told.values)

    def _add_values(self, number: int, trial: int) -> None:
        known = self.storage.get_trial(trial).intermediate_values
        for step, value in self._read_values(number).items():
            if step not in known:
                self.storage.set_trial_intermediate_value(trial, step, value)

    def _read_values(self, number: int) -> dict[int, float]:
        """Read the losses of a trial step by step, if it is one run whose history is whole."""
        if self._replicates > 1:
            return {}
        try:
            history: Mapping[str, list[float]] = rundir.read_history(self._run_dirs(number)[0])
        except RunDirError:  # not begun, or a line is just being written
            return {}
        name = next((name for name in LOSSES if name in history), None)
        if name is None or "step" not in history:
            return {}
        return {int(s): value for s, value in zip(history["step"], history[name], strict=True)}

    def _run_dirs(self, number: int) -> list[Path]:
        first = number * self._replicates
        return [self._sweep_dir / str(first + r) for r in range(self._replicates)]

    def _is_in_space(self, key: str, value: Any) -> bool:
        """Whether a value is one of the search space; a function of the user's may add others."""
        try:
            return key in self._space and self._space[key]._contains(
                self._space[key].to_internal_repr(value)
            )
        except (ValueError, TypeError):
            return False


def _state(told: Told) -> TrialState:
    # The sampler is told of a failure as of a trial pruned without a report (see study.py).
    return TrialState.FAIL if told.failed else TrialState[told.state]


def _time_of(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime)
    except OSError:
        return None
