"""The finished trials of a study as arrays, kept from one suggestion to the next.

Optuna's TPE reads all trials of a study at each suggestion. What has ended does not change, and is
read here once.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import _get_pruned_trial_score
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

Observations = dict[str, NDArray[np.float64]]

FEWEST_ROWS = 256  # own: of the arrays, which then grow to twice their length


class _Column:
    """The values of one parameter, as its distribution represents them, by number of the trial."""

    def __init__(self, distribution: BaseDistribution) -> None:
        self.distribution = distribution
        self.is_one = True  # no trial had another distribution
        self.values = np.empty(0)
        self.is_there = np.empty(0, dtype=bool)


class TrialTable:
    """The trials of a study in memory with one objective.

    Args:
        study: whose trials are read; its storage is an `InMemoryStorage`.
    """

    def __init__(self, study: Study) -> None:
        assert isinstance(study._storage, InMemoryStorage), "others make new trials at each reading"
        self._study = study
        self._sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        self._n_seen = 0
        self._open: set[int] = set()
        self._columns: dict[str, _Column] = {}
        self._counts = np.empty(0, dtype=bool)  # whether a trial is complete or pruned
        self._complete: list[tuple[float, int]] = []  # value, the best first, and number
        self._pruned: list[tuple[tuple[float, float], int]] = []
        self.space: dict[str, BaseDistribution] | None = None  # what all trials have in common
        self.running: list[FrozenTrial] = []
        self.has_constraints = False

    @property
    def n_finished(self) -> int:
        """Trials that are complete or pruned."""
        return len(self._complete) + len(self._pruned)

    def is_of(self, study: Study) -> bool:
        """Whether the table is of a study."""
        return self._study._storage is study._storage and self._study._study_id == study._study_id

    def update(self) -> None:
        """Take in what has happened since the last time."""
        trials = self._study._storage.get_all_trials(self._study._study_id, deepcopy=False)
        self._grow(len(trials))
        numbers = [*sorted(self._open), *range(self._n_seen, len(trials))]
        self._n_seen, self.running = len(trials), []
        for number in numbers:
            trial = trials[number]
            if trial.state.is_finished():
                self._open.discard(number)
                if trial.state != TrialState.FAIL:
                    self._take(trial)
            else:
                self._open.add(number)
                if trial.state == TrialState.RUNNING:
                    self.running.append(trial)

    def knows(self, space: dict[str, BaseDistribution]) -> bool:
        """Whether each parameter of a space has been seen, always with the same distribution."""
        columns = [self._columns.get(name) for name in space]
        return not self.has_constraints and all(
            column is not None and column.is_one and column.distribution == distribution
            for column, distribution in zip(columns, space.values(), strict=True)
        )

    def find_below(self, n_below: int) -> list[int]:
        """Return the numbers of the best trials: complete ones, then pruned ones."""
        complete = [number for _, number in self._complete[:n_below]]
        return complete + [number for _, number in self._pruned[: n_below - len(complete)]]

    def observe(
        self, names: Sequence[str], below: Sequence[int], running: dict[int, dict[str, float]]
    ) -> tuple[Observations, Observations]:
        """Divide the trials that have all of some parameters, in the order of their numbers.

        Args:
            names: of the parameters, which are known.
            below: numbers of the trials of the first part.
            running: values of trials that are not finished, by number; of the second part.

        Returns:
            For each part the values of each parameter, (trials,).
        """
        columns = {name: self._columns[name] for name in names}
        counts = self._counts.copy()
        for column in columns.values():
            counts &= column.is_there
        is_below = np.zeros_like(counts)
        is_below[list(below)] = True
        first = counts & is_below
        for number, values in running.items():
            counts[number] = True
            for name, value in values.items():  # written once more when the trial has ended
                columns[name].values[number] = value
        second = counts & ~is_below
        return (
            {name: column.values[first] for name, column in columns.items()},
            {name: column.values[second] for name, column in columns.items()},
        )

    def _take(self, trial: FrozenTrial) -> None:
        number = trial.number
        self.has_constraints |= bool(trial.constraints)
        self._counts[number] = True
        if trial.state == TrialState.COMPLETE:
            assert trial.value is not None, "a complete trial has a value"
            insort(self._complete, (self._sign * trial.value, number))
        else:
            insort(self._pruned, (_get_pruned_trial_score(trial, self._study), number))
        distributions = trial.distributions
        if self.space is None:
            self.space = dict(distributions)
        elif self.space != distributions:
            kept = self.space.items()
            self.space = {name: each for name, each in kept if distributions.get(name) == each}
        for name, value in trial.params.items():
            self._put(name, distributions[name], number, value)

    def _put(self, name: str, distribution: BaseDistribution, number: int, value: Any) -> None:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Column(distribution)
            self._lengthen(column, len(self._counts))
        if column.distribution != distribution:
            column.is_one = False
            return
        column.values[number] = column.distribution.to_internal_repr(value)
        column.is_there[number] = True

    def _grow(self, n_trials: int) -> None:
        if n_trials <= len(self._counts):
            return
        length = max(FEWEST_ROWS, 2 * n_trials)
        self._counts = _lengthened(self._counts, length)
        for column in self._columns.values():
            self._lengthen(column, length)

    def _lengthen(self, column: _Column, length: int) -> None:
        column.values = _lengthened(column.values, length)
        column.is_there = _lengthened(column.is_there, length)


def _lengthened(array: NDArray[Any], length: int) -> NDArray[Any]:
    longer = np.zeros(length, dtype=array.dtype)
    longer[: len(array)] = array
    return longer
