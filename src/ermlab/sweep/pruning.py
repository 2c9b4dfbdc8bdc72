"""Decides at validations which trials of a sweep train on: any pruner of Optuna's.

What is reported is the mean over a trial's replicates, as soon as each of them has measured it; so
replicates are pruned together. `WilcoxonPruner` compares trials over replicates instead: it is told
the final value of each.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from math import fsum, isfinite
from typing import Protocol

from ermlab.trial.reports import Report


class ReportedStudy(Protocol):
    """What pruning asks of a study."""

    def judge(self, number: int, index: int, value: float) -> bool:
        """Take in what a trial has measured at a validation; return whether it is pruned."""
        ...


class Pruning:
    """Reports for all runs of a sweep; may be called from several threads.

    Args:
        study: holds the pruner.
        replicates: runs of each trial, whose jobs have numbers in a row.
        by_replicate: whether trials are compared over their replicates' final values.
        worst: what is reported of a run that diverged.
    """

    def __init__(
        self, study: ReportedStudy, *, replicates: int, by_replicate: bool, worst: float
    ) -> None:
        self._study = study
        self._replicates = replicates
        self._by_replicate = by_replicate
        self._worst = worst
        # By trial, then by validation: the value of each run that has measured it.
        self._values: dict[int, dict[int, dict[int, float]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._pruned: set[int] = set()
        # Of trials that have runs pruned before a stop: the first validation at which one ended.
        self._last: dict[int, int] = {}
        self._lock = threading.RLock()

    def judge(self, reports: Sequence[Report]) -> list[bool]:
        """Return of each report, of one moment and different runs, whether its run trains on."""
        with self._lock:
            if not self._by_replicate:
                # In this order, since a run may have another place when a sweep goes on.
                for report in sorted(reports, key=lambda each: each.job):
                    self._take(report)
            return [report.job // self._replicates not in self._pruned for report in reports]

    def end(self, job: int, value: float) -> None:
        """Take in the final value of a run."""
        trial = job // self._replicates
        with self._lock:
            if not self._by_replicate or trial in self._pruned:
                return
            is_pruned = self._study.judge(trial, job % self._replicates, self._healthy(value))
            if is_pruned or trial in self._last:
                self._pruned.add(trial)

    def is_pruned(self, trial: int) -> bool:
        """Whether a trial has been pruned."""
        with self._lock:
            return trial in self._pruned or trial in self._last

    def forget(self, trial: int) -> None:
        """Drop what was reported of a trial that has ended."""
        with self._lock:
            self._values.pop(trial, None)
            self._last.pop(trial, None)
            self._pruned.discard(trial)

    def repeat(self, job: int, history: Sequence[float], *, is_pruned: bool) -> None:
        """Take in again what a run measured that ended before the sweep was stopped.

        It is not judged by that, but with replicates that are trained again.

        Args:
            job: its number.
            history: the objective at each validation.
            is_pruned: whether the run was pruned.
        """
        trial = job // self._replicates
        with self._lock:
            if is_pruned:
                last = len(history) - 1
                self._last[trial] = min(last, self._last.get(trial, last))
            for index, value in enumerate(() if self._by_replicate else history):
                self._values[trial][index][job] = self._healthy(value)

    def settle(self, trial: int) -> None:
        """Take in that a trial was pruned whose runs have all been repeated.

        By replicate, the ends of the runs say so.
        """
        with self._lock:
            if self._by_replicate:
                return
            for index, values in sorted(self._values[trial].items()):
                if len(values) == self._replicates:
                    self._judge(trial, index)
            self._pruned.add(trial)

    def _take(self, report: Report) -> None:
        trial = report.job // self._replicates
        values = self._values[trial][report.index]
        values[report.job] = self._healthy(report.value)
        if len(values) < self._replicates or trial in self._pruned:
            return
        if self._judge(trial, report.index) or report.index == self._last.get(trial):
            self._pruned.add(trial)

    def _judge(self, trial: int, index: int) -> bool:
        values = self._values[trial][index].values()
        return self._study.judge(trial, index, fsum(values) / len(values))

    def _healthy(self, value: float) -> float:
        return value if isfinite(value) else self._worst
