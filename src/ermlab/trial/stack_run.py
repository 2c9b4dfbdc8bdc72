"""Carries out several trials at once as a stack, or one by one where that cannot be."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig

from ermlab.config.check import check_config
from ermlab.errors import ErmlabError, RunDirError, StackError, describe_error
from ermlab.lock import LEFT_BEHIND_S, locked
from ermlab.loop.check import Check, Outcome
from ermlab.loop.loop import Entrant, train
from ermlab.loop.progress import Progress
from ermlab.trial.build import DataCache, Trial, build_trial
from ermlab.trial.columns import flatten_choices, flatten_config
from ermlab.trial.files import (
    RunFiles,
    clear_run,
    write_failure,
    write_outcome,
    write_standardization,
)
from ermlab.trial.objectives import list_objectives
from ermlab.trial.reports import Judge, Reports
from ermlab.trial.run import run_trial
from ermlab.trial.seeding import default_dtype
from ermlab.trial.stack import stack_trials
from ermlab.trial.tracking import start_tracking

log = logging.getLogger(__name__)

Result = dict[str, Any] | Exception


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One trial to carry out.

    Args:
        number: of its job in the sweep.
        config: its configuration.
        run_dir: an existing folder.
        choices: the chosen option of each config group.
    """

    number: int
    config: DictConfig
    run_dir: Path
    choices: Mapping[str, str | None]


class Supply(Protocol):
    """Where a stack's trials come from, and go to when they have ended."""

    def next_clock(self) -> int | None:
        """What the stack's clock shows when a trial wants to begin although none ends then."""
        ...

    def take(self, n_places: int, clock: int) -> Sequence[TrialTask]:
        """Return the trials that begin now, of the stack's program and at most so many."""
        ...

    def ended(self, task: TrialTask, result: Result, clock: int) -> None:
        """Take in how a trial ended: the columns of its summary, or the exception that ended it."""
        ...


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How the trials of a stack are trained.

    Args:
        allow: patterns of the `_target_`s that may be called.
        on_unstackable: "single", or "error": trials that do not stack fail with the reason.
        on_check: told of every check of the stack.
        judge: asked at every check which trials train on; None: all do.
        cache: data sets of earlier trials, by configuration; added to.
        n_places: trials at once at most; None: as many as begin.
        n_alone: trials that were trained alone, by reason; added to. A reason is told once.
    """

    allow: Sequence[str]
    on_unstackable: str = "single"
    on_check: Callable[[Check], None] | None = None
    judge: Judge | None = None
    cache: DataCache
    n_places: int | None = None
    n_alone: Counter[str] = field(default_factory=Counter)


def run_alone(task: TrialTask, options: StackOptions) -> Result:
    """Train a trial with the reference learner; return its columns, or what ended it."""
    on_check, report = options.on_check, None
    if options.judge is not None:
        objective = list_objectives(task.config.objective)[0]
        report = Reports(options.judge, objective=objective, jobs=[task.number])
    try:
        return run_trial(
            task.config,
            run_dir=task.run_dir,
            choices=task.choices,
            allow=options.allow,
            is_sweep=True,
            on_check=None if on_check is None else lambda check, n_steps: on_check(check),
            report=report,
        )
    except Exception as error:  # noqa: BLE001  # already a row with status `failed`
        return error


def run_stack(
    tasks: Sequence[TrialTask], supply: Supply, options: StackOptions, *, clock: int = 0
) -> int:
    """Train trials in one stack, with others in the places of those that have ended.

    A trial whose configuration is wrong becomes a row with status `failed`; the others train. Where
    the trials turn out not to stack, the reference learner trains each, and the log says why.

    Args:
        tasks: the trials that begin.
        supply: is told how each trial ended, and asked for more.
        options: see `StackOptions`.
        clock: steps that the stack's clock shows at the start, >= 0.

    Returns:
        What the clock shows at the end.

    Raises:
        Exception: what the supply or the judge raises: no trial is to go on.
    """
    stack = _Stack(supply, options, clock)
    try:
        stack.run(tasks)
    except RunDirError as error:  # the disk: training again would not mend it
        if error is stack.refusal:
            raise
        stack.fail(error)
    except Exception as error:  # the reference learner finds out whose it is
        if error is stack.refusal:
            raise
        if options.on_unstackable == "error" and isinstance(error, StackError):
            stack.fail(error)
        else:
            tasks, reason = stack.take_apart(), describe_error(error)
            if reason not in options.n_alone:
                log.info("\ttrained one by one, not in a stack: %s", reason)
            options.n_alone[reason] += len(tasks)
            for task in tasks:
                supply.ended(task, run_alone(task, options), stack.clock)
    return stack.clock


@dataclass(frozen=True, kw_only=True)
class _Member:
    """A trial in its place."""

    task: TrialTask
    trial: Trial
    columns: Mapping[str, Any]  # of its configuration
    build_s: float
    started_s: float = field(default_factory=time.time)
    lock: ExitStack = field(default_factory=ExitStack)


class _Stack:
    """The trials of a stack, each in its place."""

    def __init__(self, supply: Supply, options: StackOptions, clock: int) -> None:
        self._supply, self._options = supply, options
        self._first_clock = clock
        self._members: dict[int, _Member] = {}
        self._n_places = 0
        self._progress: Progress | None = None
        self._files: RunFiles | None = None
        self._reports: Reports | None = None
        self.refusal: Exception | None = None  # of the supply, to give or take any more

    @contextmanager
    def _supplied(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.refusal = error
            raise

    @property
    def clock(self) -> int:
        """Steps that the stack's clock shows."""
        return self._first_clock if self._progress is None else self._progress.clock

    def run(self, tasks: Sequence[TrialTask]) -> None:
        """Train until no trial is left."""
        for task in tasks:
            member = self._build(task)
            if member is not None:
                self._members[len(self._members)] = member
        members = list(self._members.values())
        if not members:
            return
        self._n_places = max(len(members), self._options.n_places or 0)
        n_empty = self._n_places - len(members)
        trials = [member.trial for member in members]
        # An empty place needs something to hold; it is never trained.
        held = [*trials, *[trials[0]] * n_empty]
        learner = stack_trials([trial.parts for trial in held])
        plans = [trial.plan for trial in held]
        if self._options.judge is not None:
            self._reports = Reports(
                self._options.judge,
                objective=list_objectives(members[0].task.config.objective)[0],
                jobs=[*(member.task.number for member in members), *[-1] * n_empty],
            )
        for member in members:
            self._open_folder(member)
        dtype = trials[0].parts.data.train.x.dtype
        run_dirs = [member.task.run_dir for member in members]
        with RunFiles(run_dirs) as self._files, default_dtype(dtype):
            self._progress = Progress(learner, plans, clock=self._first_clock, n_empty=n_empty)
            train(
                learner,
                plans,
                record=self._record,
                keep=None if self._reports is None else self._reports.keep,
                store=self._files.store,
                finish=self._finish,
                progress=self._progress,
                refill=self,
            )

    def next_clock(self) -> int | None:
        """When a trial wants to begin although none ends (see `Refill`)."""
        return self._supply.next_clock()

    def take(self, free: Sequence[int], clock: int) -> Sequence[tuple[int, Entrant]]:
        """Let other trials begin in the free places (see `Refill`)."""
        assert self._files is not None, "asked while it trains"
        entrants: list[tuple[int, Entrant]] = []
        places = list(free)
        while places:
            with self._supplied():
                tasks = self._supply.take(len(places), clock)
            if not tasks:
                break
            for task in tasks:
                member = self._build(task)
                if member is None:
                    continue
                place = places.pop(0)
                self._members[place] = member
                self._open_folder(member)
                self._files.enter(place, task.run_dir)
                if self._reports is not None:
                    self._reports.enter(place, task.number)
                trial = member.trial
                entrants.append((place, Entrant(parts=trial.parts, plan=trial.plan)))
        return entrants

    def fail(self, error: Exception) -> None:
        """End the trials that are left with an error that is not theirs alone."""
        for task in self.take_apart():
            self._end(task, _fail(task, error, 0.0))

    def take_apart(self) -> list[TrialTask]:
        """Take the trials that are left out of the stack."""
        tasks = [member.task for member in self._members.values()]
        for member in self._members.values():
            member.lock.close()
        self._members.clear()
        return tasks

    def _build(self, task: TrialTask) -> _Member | None:
        """Make the objects of a trial; one that cannot be made has ended."""
        began = time.perf_counter()
        try:
            check_config(task.config, choices=task.choices, is_sweep=True)
            torch.set_num_threads(task.config.threads)
            trial = build_trial(task.config, allow=self._options.allow, cache=self._options.cache)
            columns = flatten_config(task.config, task.choices)
        except Exception as error:  # noqa: BLE001  # the row of this trial tells it
            self._end(task, _fail(task, error, time.perf_counter() - began))
            return None
        build_s = time.perf_counter() - began
        return _Member(task=task, trial=trial, columns=columns, build_s=build_s)

    def _open_folder(self, member: _Member) -> None:
        member.lock.enter_context(locked(member.task.run_dir, wait_s=LEFT_BEHIND_S))
        clear_run(member.task.run_dir)
        write_standardization(member.trial, member.task.run_dir)
        start_tracking(member.trial.tracker, member.columns, member.task.run_dir)

    def _record(self, check: Check) -> None:
        assert self._files is not None, "called while it trains"
        self._files.record(check)
        if self._options.on_check is not None:
            self._options.on_check(check)

    def _finish(self, place: int, outcome: Outcome) -> None:
        member = self._members.pop(place)
        task = member.task
        try:
            result: Result = write_outcome(
                task.run_dir,
                member.trial,
                outcome,
                member.columns,
                started_s=member.started_s,
                wall_s=member.build_s + outcome.share_s,
                stack_size=self._n_places,
            )
        except RunDirError as error:  # of this folder; the others keep their rows
            result = _fail(task, error, outcome.share_s)
        member.lock.close()
        self._end(task, result)

    def _end(self, task: TrialTask, result: Result) -> None:
        with self._supplied():
            self._supply.ended(task, result, self.clock)


def _fail(task: TrialTask, error: Exception, wall_s: float) -> Exception:
    columns = flatten_choices(task.config, task.choices)
    unwritten: ErmlabError | None = write_failure(task.run_dir, columns, error, wall_s=wall_s)
    if unwritten is not None:
        log.warning("a failed run left no summary: %s", unwritten.what)
    return error
