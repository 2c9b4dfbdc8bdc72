"""Carries out a sweep that a study suggests: batches, replicates, failures, time, going on.

The study is in `study.py`; the launcher trains the jobs, whichever it is. Job `trial * replicates +
r` is the r-th run of a trial, so that the numbers are those of the undisturbed sweep.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from ermlab import rundir
from ermlab.errors import ConfigError, ErmlabError, TrialError, describe_error
from ermlab.sweep.jobs import JobOpener
from ermlab.sweep.shared_study import SharedStudy
from ermlab.sweep.study import Study
from ermlab.trial.run import objective_value

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What a user chooses of a sweep, beside its search space and sampler.

    Args:
        n_trials: in all, over every time that the sweep is gone on with, >= 1.
        n_jobs: trials asked for at once, >= 1.
        replicates: runs of each trial, with the seeds seed, seed + 1, ..., >= 1.
        timeout_s: no trial is asked for after so many seconds; None: never.
        retries: how often a run is tried again whose failure may have been passing, >= 0.
        max_failure_rate: share of `n_trials` that may fail before the sweep ends, in [0, 1].
    """

    n_trials: int
    n_jobs: int
    replicates: int
    timeout_s: float | None
    retries: int
    max_failure_rate: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a trial: its job's number and overrides."""

    trial: int
    number: int
    overrides: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended: the values of its objectives, or what hindered it."""

    run_dir: Path
    values: Sequence[float] | Exception


class StudySweep:
    """The loop of one sweep.

    Args:
        study: asks and is told.
        launcher: trains jobs.
        opener: tells the folder of a job.
        config: of the sweep.
        fixed: overrides that every job has.
        options: see `SweepOptions`.
    """

    def __init__(
        self,
        study: Study | SharedStudy,
        *,
        launcher: Launcher,
        opener: JobOpener,
        config: DictConfig,
        fixed: Sequence[str],
        options: SweepOptions,
    ) -> None:
        self._study, self._launcher, self._opener = study, launcher, opener
        self._objective, self._seed = str(config.objective), int(config.seed)
        self._fixed, self._options = list(fixed), options
        self._began = time.monotonic()

    def run(self) -> None:
        """Carry out the trials that are left.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        while (batch := self._next_batch()) or self._wait():
            runs = [run for trial, params in batch for run in self._runs(trial, params)]
            ended = self._carry_out(runs)
            for trial, _ in batch:
                each = [ended[run.number] for run in runs if run.trial == trial]
                self._tell(trial, each)
            self._stop_after_failures([ended[run.number] for run in runs])

    def _next_batch(self) -> list[tuple[int, dict[str, Any]]]:
        """The trials that a stopped sweep left open, then new ones."""
        batch = sorted(self._study.open_trials.items())
        left_s = self._left_s()
        if left_s is not None and left_s <= 0:
            log.info("the sweep ends after %.0f s (hydra.sweeper.timeout)", self._options.timeout_s)
            return []
        n_jobs = self._options.n_jobs
        # A batch is asked for in full before its first trial is told, also after a stop.
        n_new = -self._study.n_asked % n_jobs if batch else n_jobs
        self._study.reserve(min(n_new, self._options.n_trials - self._study.n_asked))
        while n_new and self._study.n_asked < self._options.n_trials:
            if (asked := self._study.ask()) is None:  # other processes were faster
                break
            batch.append(asked)
            n_new -= 1
        return batch

    def _wait(self) -> bool:
        """Wait for trials that other processes have; return whether one was left to this one."""
        left_s = self._left_s()
        return (left_s is None or left_s > 0) and self._study.wait(left_s)

    def _left_s(self) -> float | None:
        if self._options.timeout_s is None:
            return None
        return self._options.timeout_s - (time.monotonic() - self._began)

    def _runs(self, trial: int, params: Mapping[str, Any]) -> Iterator[Run]:
        n = self._options.replicates
        for r in range(n):
            overrides = [f"{key}={value}" for key, value in params.items()] + self._fixed
            if n > 1:
                overrides.append(f"seed={self._seed + r}")
            yield Run(trial=trial, number=trial * n + r, overrides=overrides)

    def _carry_out(self, runs: Sequence[Run]) -> dict[int, Ended]:
        ended = {run.number: done for run in runs if (done := self._find_finished(run))}
        left = [run for run in runs if run.number not in ended]
        for attempt in range(self._options.retries + 1):
            if attempt:
                numbers = ", ".join(f"#{run.number}" for run in left)
                log.warning("\ttrying %s once more, the failure may have been passing", numbers)
            # A launcher numbers its jobs in a row.
            for _, row in groupby(enumerate(left), lambda pair: pair[1].number - pair[0]):
                ended |= self._launch([run for _, run in row])
            left = [run for run in left if _may_pass(ended[run.number].values)]
            if not left:
                break
        return ended

    def _launch(self, runs: Sequence[Run]) -> dict[int, Ended]:
        jobs = [list(run.overrides) for run in runs]
        returns = self._launcher.launch(jobs, initial_job_idx=runs[0].number)
        return {run.number: _read(run, done) for run, done in zip(runs, returns, strict=True)}

    def _find_finished(self, run: Run) -> Ended | None:
        """A run that ended before the sweep was stopped, but was not told."""
        if not self._study.may_have_run(run.trial):
            return None
        run_dir = self._find_dir(run)
        summary = rundir.read_summary(run_dir)
        if summary is None or summary["status"] == "failed":
            return None
        return Ended(run_dir=run_dir, values=[objective_value(summary, self._objective)])

    def run_dirs(self, trial: int, params: Mapping[str, Any]) -> list[Path]:
        """The folders of the runs of a trial."""
        return [self._find_dir(run) for run in self._runs(trial, params)]

    def _find_dir(self, run: Run) -> Path:
        return self._opener.open(run.number, run.overrides).run_dir

    def _tell(self, trial: int, runs: Sequence[Ended]) -> None:
        """Tell the mean over the replicates, or the failure of one, and number the rows."""
        for run in runs:
            _add_columns(run.run_dir, {"trial": trial})
        errors = [run.values for run in runs if isinstance(run.values, Exception)]
        if errors:
            log.warning("\ttrial %d failed: %s", trial, describe_error(errors[0]))
            self._study.tell(trial, None)
            return
        each = [run.values for run in runs if not isinstance(run.values, Exception)]
        self._study.tell(trial, [math.fsum(same) / len(each) for same in zip(*each, strict=True)])

    def _stop_after_failures(self, runs: Sequence[Ended]) -> None:
        errors = [run.values for run in runs if isinstance(run.values, Exception)]
        told = {str(error) for error in errors}
        if not errors:
            return
        n_failed = self._study.n_failed
        if len(errors) == len(runs) and len(told) == 1 and n_failed == self._study.n_told:
            raise errors[0]  # every trial so far, for one reason: the next ones share it
        if n_failed > self._options.max_failure_rate * self._options.n_trials:
            log.error(
                "%d trials failed, more than max_failure_rate=%g of %d",
                n_failed,
                self._options.max_failure_rate,
                self._options.n_trials,
            )
            raise errors[0]


def _read(run: Run, done: JobReturn) -> Ended:
    assert done.hydra_cfg is not None, "a launcher sets it"
    run_dir = Path(str(done.hydra_cfg.hydra.runtime.output_dir))
    if done.status is not JobStatus.COMPLETED:
        error = done._return_value
        return Ended(
            run_dir=run_dir,
            values=error
            if isinstance(error, Exception)
            else TrialError(
                f"job {run.number} did not end", where=str(run_dir), fix="see its log there"
            ),
        )
    value = done.return_value
    try:
        values = [float(each) for each in (value if isinstance(value, list | tuple) else [value])]
    except (TypeError, ValueError):
        return Ended(
            run_dir=run_dir,
            values=ConfigError(
                f"the task returned {value!r}, which is no number",
                where=str(run_dir),
                fix="return a number, or a list of one for each direction",
            ),
        )
    return Ended(run_dir=run_dir, values=[math.inf if v != v else v for v in values])


def _may_pass(values: Sequence[float] | Exception) -> bool:
    """Whether a failure may be gone at the next try: memory, a disk, a killed process."""
    if isinstance(values, TrialError):
        return True
    if isinstance(values, ErmlabError) or not isinstance(values, Exception):
        return False
    told = str(values).lower()
    return isinstance(values, MemoryError | OSError) or "out of memory" in told


def _add_columns(run_dir: Path, columns: Mapping[str, Any]) -> None:
    summary = rundir.read_summary(run_dir)
    if summary is not None:
        rundir.write_summary(run_dir, {**summary, **columns})
