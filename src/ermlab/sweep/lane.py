"""Trains the runs of a sweep in one process, in a stack whose places are refilled as they are left.

Runs of another program wait until the present stack has none left; then the program of most of the
waiting ones makes the next stack. A run that cannot be stacked is trained alone in between.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hydra.core.utils import env_override

from ermlab.errors import StackError
from ermlab.sweep.job import Job
from ermlab.sweep.trials import Trials
from ermlab.sweep.worker import Ended, OnCheck, finish_job, make_task, process_cache
from ermlab.trial.reports import Report
from ermlab.trial.stack_run import Result, StackOptions, TrialTask, run_alone, run_stack

log = logging.getLogger(__name__)


class Desk(Protocol):
    """Where a lane gets its jobs, and tells how they ended."""

    def take(self, n_jobs: int, is_new: bool) -> list[Job]:
        """Return the next jobs, at most so many; fewer where there are no more at present.

        Args:
            n_jobs: how many, >= 1.
            is_new: whether others than those that a stop interrupted may be among them.
        """
        ...

    def begin(self, number: int, clock: int) -> None:
        """Take in that a job begins to train."""
        ...

    def end(self, number: int, ended: Ended, clock: int) -> None:
        """Take in how a job ended."""
        ...

    def judge(self, reports: Sequence[Report]) -> list[bool]:
        """Return which jobs train on."""
        ...


@dataclass(frozen=True, kw_only=True)
class LaneOptions:
    """How a lane trains.

    Args:
        n_places: trials at once at most, >= 1.
        max_bytes: memory that a stack's step touches at most [bytes]; see `Work`.
        on_unstackable: "single" trains a job that cannot be stacked alone; "error" refuses it.
        prunes: whether the desk is asked at each check.
    """

    n_places: int
    max_bytes: int
    on_unstackable: str
    prunes: bool


class Lane:
    """The stack of one process (a `Supply`).

    Args:
        desk: gives jobs.
        trials: of the task.
        options: see `LaneOptions`.
        on_check: told of every check of the stack.
        starts: what the clock showed when jobs began that are to begin then once more.
        clock: what it showed when the last job ended before the sweep was stopped; other jobs
            begin then, or later.
        last: the job that was the last one to begin before the stop; its program goes on.
    """

    def __init__(
        self,
        desk: Desk,
        trials: Trials,
        options: LaneOptions,
        *,
        on_check: OnCheck | None = None,
        starts: Mapping[int, int] | None = None,
        clock: int = 0,
        last: Job | None = None,
    ) -> None:
        self._desk, self._trials, self._options = desk, trials, options
        self._on_check = on_check
        self._starts = {} if starts is None else dict(starts)
        self._waiting: list[Job] = []
        self._training: dict[int, Job] = {}
        self._n_alone: Counter[str] = Counter()  # trained alone, by reason
        self._program = "" if last is None else _program_of(last)
        self._others_start = clock
        self._clock = min(self._starts.values(), default=clock)

    def run(self) -> None:
        """Train until the desk has no more jobs.

        Raises:
            Exception: what the desk raises to end the sweep.
            StackError: a job cannot be stacked and `on_unstackable` is "error".
        """
        while True:
            self._fill()
            if not self._waiting and self._clock < self._others_start:
                self._clock = self._others_start
                continue
            if not self._waiting:
                self._count_alone()
                return
            first = self._choose()
            self._program = _program_of(first)
            self._clock = max(self._clock, self._start_of(first))
            with env_override(dict(first.environment)):  # equal within a program
                if first.outline.reason is None:
                    tasks = self._begin(self._options.n_places, self._clock)
                    self._clock = run_stack(tasks, self, self._stack_options(), clock=self._clock)
                else:
                    self._run_alone(first)

    def _choose(self) -> Job:
        """Choose a job whose program is next: one that begins again, the present one, the most."""
        if self._starts:
            return min(self._waiting, key=self._start_of)
        programs = Counter(_program_of(job) for job in self._waiting)

        def rank(job: Job) -> tuple[bool, int]:
            program = _program_of(job)
            return program == self._program, programs[program]

        return max(self._waiting, key=rank)  # of equals the first

    def _start_of(self, job: Job) -> int:
        return self._starts.get(job.number, self._others_start)

    def next_clock(self) -> int | None:
        """What the clock shows when a job begins that is to begin then once more."""
        mine = [job for job in self._waiting if _program_of(job) == self._program]
        starts = [self._start_of(job) for job in mine]
        starts.append(self._others_start)
        return min((start for start in starts if start > self._clock), default=None)

    def take(self, n_places: int, clock: int) -> Sequence[TrialTask]:
        """Let jobs of the present program begin (see `Supply`)."""
        self._clock = clock
        self._fill()
        return self._begin(n_places, clock)

    def ended(self, task: TrialTask, result: Result, clock: int) -> None:
        """Tell the desk how a job ended (see `Supply`)."""
        self._clock = clock
        job = self._training.pop(task.number)
        self._desk.end(job.number, finish_job(job, task, result, self._trials), clock)

    def _fill(self) -> None:
        n_free = self._options.n_places - len(self._training) - len(self._waiting)
        if n_free < 1:
            return
        for job in self._desk.take(n_free, self._clock >= self._others_start):
            reason = job.outline.reason
            if reason is not None and self._options.on_unstackable == "error":
                raise StackError(
                    f"job {job.number} is not stacked: {reason}",
                    where="hydra.launcher.on_unstackable",
                    fix="set hydra.launcher.on_unstackable=single to train such jobs one by one",
                )
            self._waiting.append(job)

    def _begin(self, n_places: int, clock: int) -> list[TrialTask]:
        """Choose the waiting jobs that begin now: of the present program, as memory allows."""
        self._clock = clock
        n_bytes = sum(job.outline.work.n_bytes for job in self._training.values())
        tasks: list[TrialTask] = []
        for job in list(self._waiting):
            if _program_of(job) != self._program or self._start_of(job) > clock:
                continue
            n_bytes += job.outline.work.n_bytes
            if len(tasks) == n_places or (self._training and n_bytes > self._options.max_bytes):
                break
            tasks.append(self._start(job, clock))
        return tasks

    def _start(self, job: Job, clock: int) -> TrialTask:
        self._waiting.remove(job)
        self._training[job.number] = job
        self._starts.pop(job.number, None)
        self._desk.begin(job.number, clock)
        return make_task(job)

    def _run_alone(self, job: Job) -> None:
        reason = str(job.outline.reason)
        if reason not in self._n_alone:
            log.info("\tjob %d is not stacked: %s", job.number, reason)
        self._n_alone[reason] += 1
        task = self._start(job, self._clock)
        self.ended(task, run_alone(task, self._stack_options()), self._clock)

    def _count_alone(self) -> None:
        for reason, n_jobs in self._n_alone.items():
            if n_jobs > 1:
                log.info("\t%d jobs were not stacked: %s", n_jobs, reason)

    def _stack_options(self) -> StackOptions:
        return StackOptions(
            allow=self._trials.allow,
            on_unstackable=self._options.on_unstackable,
            on_check=self._on_check,
            judge=self._desk.judge if self._options.prunes else None,
            cache=process_cache(),
            n_places=self._options.n_places,
            n_alone=self._n_alone,
        )


def _program_of(job: Job) -> str:
    """The program that a job shares a stack with; that of itself, where it cannot be stacked."""
    outline = job.outline
    return outline.program if outline.reason is None else f"{job.number} alone"
