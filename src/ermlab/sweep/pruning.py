"""Decides at validations which trials of a sweep train on: any pruner of Optuna's.

What is reported is the mean over a trial's replicates, as soon as each of them has measured it; so
replicates are pruned together. `WilcoxonPruner` compares trials over replicates instead: it is told
the final value of each.
"""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import fsum, isfinite
from typing import Protocol

from ermlab.trial.reports import Report


class ReportedStudy(Protocol):
    """What pruning asks of a study."""

    def report(self, number: int, index: int, value: float) -> None:
        """Take in what a trial has measured at a validation."""
        ...

    def should_prune(self, number: int) -> bool:
        """Whether the trial is to end."""
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
        self._lock = threading.RLock()

    def judge(self, reports: Sequence[Report], *, spare: bool = False) -> list[bool]:
        """Return of each report whether its run trains on.

        Args:
            reports: of one moment, at most one of each run.
            spare: whether all do: these decisions have been made before.
        """
        with self._lock:
            if not self._by_replicate:
                for report in reports:
                    self._take(report, spare)
            return [report.job // self._replicates not in self._pruned for report in reports]

    def end(self, job: int, value: float) -> None:
        """Take in the final value of a run."""
        trial = job // self._replicates
        with self._lock:
            if self._by_replicate and trial not in self._pruned:
                self._study.report(trial, job % self._replicates, self._healthy(value))
                if self._study.should_prune(trial):
                    self._pruned.add(trial)

    def is_pruned(self, trial: int) -> bool:
        """Whether a trial has been pruned."""
        with self._lock:
            return trial in self._pruned

    def forget(self, trial: int) -> None:
        """Drop what was reported of a trial that has ended."""
        with self._lock:
            self._values.pop(trial, None)
            self._pruned.discard(trial)

    def mark(self, trial: int, histories: Mapping[int, Sequence[float]]) -> None:
        """Report again what runs measured that were pruned before the sweep was stopped.

        Args:
            trial: its number.
            histories: the objective at each validation, by number of the job.
        """
        with self._lock:
            for job, history in histories.items():
                for index, value in enumerate(history):
                    self._take(Report(job=job, index=index, value=value), spare=True)
            self._pruned.add(trial)

    def _take(self, report: Report, spare: bool) -> None:
        trial = report.job // self._replicates
        values = self._values[trial][report.index]
        values[report.job] = self._healthy(report.value)
        if len(values) < self._replicates or trial in self._pruned:
            return
        self._study.report(trial, report.index, fsum(values.values()) / len(values))
        if self._study.should_prune(trial) and not spare:
            self._pruned.add(trial)

    def _healthy(self, value: float) -> float:
        return value if isfinite(value) else self._worst
