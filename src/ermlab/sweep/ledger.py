"""Keeps account of a sweep's trials: which runs each has, how they ended, when the sweep is over.

The study is in `study.py`; who trains the runs, in `study_sweep.py`. Job `trial * replicates + r`
is the r-th run of a trial, so that the numbers are those of the undisturbed sweep.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ermlab import rundir
from ermlab.errors import ConfigError, ErmlabError, TrialError, describe_error
from ermlab.sweep.ended_runs import find_ended
from ermlab.sweep.jobs import JobOpener
from ermlab.sweep.pruning import Pruning
from ermlab.sweep.runs import Offer, Run, RunEnd
from ermlab.sweep.shared_study import SharedStudy
from ermlab.sweep.study import Study, worst_value

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What a user chooses of a sweep, beside its search space and sampler.

    Args:
        n_trials: in all, over every time that the sweep is gone on with, >= 1.
        n_jobs: trials that are open at once, >= 1.
        replicates: runs of each trial, with the seeds seed, seed + 1, ..., >= 1.
        timeout_s: no trial is asked for after so many seconds; None: never.
        retries: how often a run is tried again whose failure may have been passing, >= 0.
        max_failure_rate: share of `n_trials` that may fail before the sweep ends, in [0, 1].
        refill: whether a trial is asked for as soon as another has ended, where the launcher can.
    """

    n_trials: int
    n_jobs: int
    replicates: int
    timeout_s: float | None
    retries: int
    max_failure_rate: float
    refill: bool


class Ledger:
    """The trials of one sweep.

    Args:
        study: asks and is told.
        opener: tells the folder of a job.
        config: of the sweep.
        fixed: overrides that every job has.
        options: see `SweepOptions`.
        pruning: ends trials early, if they are to be.
    """

    def __init__(
        self,
        study: Study | SharedStudy,
        *,
        opener: JobOpener,
        config: DictConfig,
        fixed: Sequence[str],
        options: SweepOptions,
        pruning: Pruning | None,
    ) -> None:
        self.study, self.options, self.pruning = study, options, pruning
        self._opener, self._fixed = opener, list(fixed)
        self._objective, self._seed = config.objective, int(config.seed)
        self._stopped = sorted(study.open_trials.items())  # before the sweep was stopped
        # Of the open trials, by job; None for a run that was left out.
        self._ended: dict[int, dict[int, RunEnd | None]] = {}
        self._n_tries: dict[int, int] = {}
        self._errors: list[Exception] = []
        self._began = time.monotonic()
        self._is_told_of_time = False

    @property
    def n_open(self) -> int:
        """Trials that train, or wait for it."""
        return len(self._ended)

    def reserve(self, n_trials: int) -> None:
        """Say how many trials are asked for next, so that their numbers are in a row."""
        if not self._is_late():
            self.study.reserve(min(n_trials, self._n_left()))

    def wait(self) -> bool:
        """Wait for the trials of other processes; return whether one was left to this process."""
        timeout_s = self.options.timeout_s
        left_s = None if timeout_s is None else timeout_s - (time.monotonic() - self._began)
        return (left_s is None or left_s > 0) and self.study.wait(left_s)

    def next_trial(self, *, is_new: bool = True) -> Offer | None:
        """Return the next trial; None when there is none.

        Those that were open when the sweep was stopped come first; of these, runs that had ended
        need not be trained again.

        Args:
            is_new: whether a new trial may be asked for.
        """
        if self._stopped:
            trial, params = self._stopped.pop(0)
        elif is_new and self._n_left() > 0 and not self._is_late():
            asked = self.study.ask()
            if asked is None:  # other processes were faster
                return None
            trial, params = asked
        else:
            return None
        self._ended[trial] = {}
        runs = list(self._runs(trial, params))
        if not self.study.may_have_run(trial):
            return Offer(runs=runs, ended={})
        ended = find_ended(
            runs,
            self._find_dir,
            objective=self._objective,
            study=self.study,
            pruning=self.pruning,
        )
        return Offer(runs=runs, ended=ended)

    def end(self, run: Run, end: RunEnd) -> bool:
        """Take in how a run ended.

        Args:
            run: one of a trial that is open.
            end: how it ended.

        Returns:
            Whether it is to be tried again, since the failure may have been passing.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        end = self._checked(run, end)
        tries = self._n_tries[run.number] = self._n_tries.get(run.number, 0) + 1
        if _may_pass(end.values) and tries <= self.options.retries:
            log.warning("\ttrying #%d once more, the failure may have been passing", run.number)
            return True
        ended = self._ended[run.trial]
        ended[run.number] = end
        if self.pruning is not None and not isinstance(end.values, Exception):
            self.pruning.end(run.number, end.values[0])
        self._tell_if_over(run.trial)
        return False

    def _checked(self, run: Run, end: RunEnd) -> RunEnd:
        n_directions = len(self.study.directions)
        if isinstance(end.values, Exception) or len(end.values) == n_directions:
            return end
        error = ConfigError(
            f"job {run.number} returned {len(end.values)} values, but the sweep optimizes "
            f"{n_directions}",
            where="hydra.sweeper.direction",
            fix="give a direction for each value: hydra.sweeper.direction=[minimize,maximize]",
        )
        return RunEnd(run_dir=end.run_dir, values=error)

    def skip(self, run: Run) -> bool:
        """Leave a run out that has not begun, if its trial was pruned; return whether it was."""
        if self.pruning is None or not self.pruning.is_pruned(run.trial):
            return False
        self._ended[run.trial][run.number] = None
        self._tell_if_over(run.trial)
        return True

    def last_begun(self) -> Run | None:
        """The run that was the last one to begin before the sweep was stopped, if it is known."""
        number = self.study.last_begun
        if number is None or isinstance(self.study, SharedStudy):
            return None
        trial, r = divmod(number, self.options.replicates)
        if trial >= self.study.n_asked:  # there were more replicates, or the file was damaged
            return None
        return list(self._runs(trial, self.study.params(trial)))[r]

    def run_dirs(self, trial: int, params: Mapping[str, Any]) -> list[Path]:
        """The folders of the runs of a trial."""
        return [self._find_dir(run) for run in self._runs(trial, params)]

    def _runs(self, trial: int, params: Mapping[str, Any]) -> Iterator[Run]:
        n = self.options.replicates
        for r in range(n):
            overrides = [f"{key}={value}" for key, value in params.items()] + self._fixed
            if n > 1:
                overrides.append(f"seed={self._seed + r}")
            yield Run(trial=trial, number=trial * n + r, overrides=overrides)

    def _n_left(self) -> int:
        return self.options.n_trials - self.study.n_asked

    def _is_late(self) -> bool:
        timeout_s, seconds = self.options.timeout_s, time.monotonic() - self._began
        if timeout_s is None or seconds < timeout_s:
            return False
        if not self._is_told_of_time:
            log.info("the sweep ends after %.0f s (hydra.sweeper.timeout)", seconds)
        self._is_told_of_time = True
        return True

    def _find_dir(self, run: Run) -> Path:
        return self._opener.open(run.number, run.overrides).run_dir

    def _tell_if_over(self, trial: int) -> None:
        """Tell the mean over the replicates, or the failure of one, and number the rows."""
        if len(self._ended[trial]) < self.options.replicates:
            return
        runs = [run for run in self._ended.pop(trial).values() if run is not None]
        for run in runs:
            _add_columns(run.run_dir, {"trial": trial})
        clock = max((run.clock for run in runs if run.clock is not None), default=None)
        errors = [run.values for run in runs if isinstance(run.values, Exception)]
        is_pruned = self.pruning is not None and self.pruning.is_pruned(trial)
        if self.pruning is not None:
            self.pruning.forget(trial)
        if errors:
            log.warning("\ttrial %d failed: %s", trial, describe_error(errors[0]))
            self._errors.append(errors[0])
            self.study.tell(trial, None, clock=clock)
        elif is_pruned:
            self.study.tell_pruned(trial, clock=clock)
        else:
            each = [run.values for run in runs if not isinstance(run.values, Exception)]
            means = [math.fsum(same) / len(each) for same in zip(*each, strict=True)]
            if len(means) > 1 and not all(map(math.isfinite, means)):
                # One good value, such as few parameters, must not make a diverged run a solution.
                means = [worst_value(direction) for direction in self.study.directions]
            self.study.tell(trial, means, clock=clock)

    def check_failures(self) -> None:
        """End the sweep when too many trials failed, or the first ones did, all for one reason.

        Raises:
            Exception: the last one's.
        """
        if not self._errors:
            return
        n_failed, n_told = self.study.n_failed, self.study.n_told
        first = min(self.options.n_jobs, self.options.n_trials)
        told = {str(error) for error in self._errors}
        is_shared = n_failed == n_told and n_told >= first and len(told) == 1
        if is_shared and not _may_pass(self._errors[-1]):
            raise self._errors[-1]  # the next ones share it
        if n_failed > self.options.max_failure_rate * self.options.n_trials:
            log.error(
                "%d trials failed, more than max_failure_rate=%g of %d",
                n_failed,
                self.options.max_failure_rate,
                self.options.n_trials,
            )
            raise self._errors[-1]


def _may_pass(values: Sequence[float] | Exception) -> bool:
    """Whether a failure may be gone at the next try: memory, a disk, a killed process."""
    if isinstance(values, TrialError):
        return True
    if isinstance(values, ErmlabError) or not isinstance(values, Exception):
        return False
    told = str(values).lower()
    signs = ("out of memory", "allocate memory")  # torch's, of a GPU and of the processor
    return isinstance(values, MemoryError | OSError) or any(sign in told for sign in signs)


def _add_columns(run_dir: Path, columns: Mapping[str, Any]) -> None:
    summary = rundir.read_summary(run_dir)
    if summary is not None:
        rundir.write_summary(run_dir, {**summary, **columns})
