"""Carries out the jobs of a multirun: opens them, divides them into stacks, trains these.

Each job gets what Hydra's basic launcher gives it: its folder, its `.hydra` files, its log, its
callbacks and a JobReturn. Only the training is shared.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, filter_overrides, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ermlab.errors import ConfigError, StackError
from ermlab.sweep.ahead import Ahead
from ermlab.sweep.desk import JobDesk, Source, settle
from ermlab.sweep.groups import Group, plan_groups
from ermlab.sweep.job import Job
from ermlab.sweep.job_events import call_end, call_start, has_start_callback
from ermlab.sweep.jobs import JobOpener, StackedJobReturn
from ermlab.sweep.lane import Lane, LaneOptions
from ermlab.sweep.lane_elsewhere import run_lane
from ermlab.sweep.plain import start_launch
from ermlab.sweep.post import Calls, Server
from ermlab.sweep.processes import Call, Outcome, Processes
from ermlab.sweep.progress import SweepProgress
from ermlab.sweep.trials import Trials
from ermlab.sweep.worker import Ended, Surroundings, train_elsewhere, train_jobs
from ermlab.trial.objectives import list_objectives

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """What Hydra hands to a launcher: its context, the task and the configuration."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How stacks are made and where they are trained.

    Args:
        max_trials: K at most, >= 1.
        max_bytes: memory of a stack's parameters, gradients and states at most [bytes], >= 1.
        on_unstackable: "single" trains such a trial alone; "error" refuses the launch.
        processes: where stacks are trained.
    """

    max_trials: int
    max_bytes: int
    on_unstackable: str
    processes: Processes


class StackedLaunches:
    """The launches of one sweep: a sampler asks for several, one after the other.

    Args:
        sweep: its task is ermlab's, with an attribute `trials`.
        options: see `StackOptions`.

    Raises:
        ConfigError: an option is out of range.
    """

    def __init__(self, sweep: Sweep, options: StackOptions) -> None:
        _check_options(options)
        setup_globals()
        self._sweep = sweep
        self._options = options
        self._trials: Trials = sweep.task.trials  # type: ignore[attr-defined]  # the plugin looked
        self._n_processes = options.processes.count()
        self._opener = JobOpener(sweep.context, sweep.config)
        self._progress = SweepProgress(list_objectives(sweep.config.objective)[0])
        self._n_alone: Counter[str] = Counter()  # trained alone, by reason

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Carry out jobs in stacks.

        Args:
            overrides: those of each job.
            first: number of the first job.

        Returns:
            One result for each job, in order.

        Raises:
            StackError: a trial cannot be stacked and `on_unstackable` is "error".
        """
        start_launch(self._sweep.context, self._sweep.config)
        log.info("Launching %d jobs in stacks", len(overrides))
        jobs = []
        for number, words in enumerate(overrides, first):
            log.info("\t#%d : %s", number, " ".join(filter_overrides(words)))
            jobs.append(self._opener.open(number, words))
        groups = self._plan(jobs)
        self._tell_reasons(groups, first)
        if has_start_callback(self._sweep.context):
            for job in jobs:
                job.write_files()
                call_start(self._sweep.context, self._opener, job, self._sweep.task)
        returns = [StackedJobReturn(job, self._opener) for job in jobs]
        with self._progress.launch(self._count_trials(first + len(jobs))):
            for outcome in self._train(groups, jobs):
                members = groups[outcome.group].members
                for member, ended in zip(members, outcome.done.jobs, strict=True):
                    settle(returns[member], ended)
                    call_end(self._sweep.context, self._opener, jobs[member], returns[member])
                for record in outcome.done.records:
                    logging.getLogger(record.name).handle(record)
                self._progress.end(outcome.done.jobs)
        return list(returns)

    def stream(self, source: Source) -> None:
        """Carry out the runs of a sweep in stacks whose places are refilled as they are left.

        Args:
            source: gives the runs.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
            StackError: a trial cannot be stacked and `on_unstackable` is "error".
        """
        start_launch(self._sweep.context, self._sweep.config)
        n_lanes = min(self._n_processes, source.n_at_once)
        log.info("Launching jobs in stacks, up to %d at once", source.n_at_once)
        options = LaneOptions(
            n_places=min(self._options.max_trials, -(-source.n_at_once // n_lanes)),
            max_bytes=self._options.max_bytes,
            on_unstackable=self._options.on_unstackable,
            prunes=source.prunes,
        )
        with self._progress.launch(self._count_trials(0)):
            if self._n_processes == 1:
                desk, see = self._make_desk(source, is_only=True), self._progress.see
                lane = Lane(
                    desk,
                    self._trials,
                    options,
                    on_check=see,
                    starts=source.starts,
                    clock=source.clock,
                    last=None if source.last is None else self._opener.open(*source.last),
                )
                lane.run()
            else:
                source.be_ahead(n_lanes)
                with Ahead(source, n_ahead=n_lanes) as ahead:
                    self._run_lanes(self._make_desk(ahead, is_only=False), options, n_lanes)
                ahead.check()

    def _make_desk(self, source: Source, *, is_only: bool) -> JobDesk:
        return JobDesk(
            source,
            open_job=self._opener.open,
            on_start=self._start_job,
            on_end=self._end_job,
            progress=self._progress,
            is_only=is_only,
        )

    def _run_lanes(self, desk: JobDesk, options: LaneOptions, n_lanes: int) -> None:
        """Let lanes in other processes work until the desk has no more jobs.

        A killed process takes all with it. The jobs that had begun are trained once more, each by
        itself; one that ends its process again is reported as unfinished.
        """
        around, processes = Surroundings(), self._options.processes
        calls = Calls(desk, ("take", "begin", "end", "judge"))
        with Server(calls.answer, host=processes.host()) as server:
            lane: Call = (run_lane, (server.address, self._trials, around, options), {})
            while not processes.run_all([lane] * n_lanes) and calls.error is None:
                jobs = desk.take_back()
                suspects = [[job] for job in jobs]
                alone = self._group_options(alone=False)
                work = [(train_elsewhere, ([job], self._trials, around), alone) for job in jobs]
                for outcome in processes.run(suspects, work):
                    (ended,) = outcome.done.jobs
                    job = jobs[outcome.group]
                    desk.end(job.number, ended, None, outcome.done.records)
        if calls.error is not None:
            raise calls.error

    def _start_job(self, job: Job) -> None:
        if has_start_callback(self._sweep.context):
            job.write_files()
            call_start(self._sweep.context, self._opener, job, self._sweep.task)

    def _end_job(self, job: Job, ended: Ended) -> None:
        done = settle(StackedJobReturn(job, self._opener), ended)
        call_end(self._sweep.context, self._opener, job, done)

    def _plan(self, jobs: Sequence[Job]) -> list[Group]:
        """Plan the groups, at least one for each process."""
        share = -(-len(jobs) // self._n_processes)
        return plan_groups(
            [job.outline for job in jobs],
            max_trials=min(self._options.max_trials, share),
            max_bytes=self._options.max_bytes,
        )

    def _tell_reasons(self, groups: Sequence[Group], first: int) -> None:
        """Say why jobs are not stacked: each reason once in a sweep."""
        reasons = Counter(group.reason for group in groups if group.reason is not None)
        for group in groups:
            if group.reason is None or group.reason in self._n_alone:
                continue
            told = f"job {first + group.members[0]} is not stacked: {group.reason}"
            if self._options.on_unstackable == "error":
                raise StackError(
                    told,
                    where="hydra.launcher.on_unstackable",
                    fix="set hydra.launcher.on_unstackable=single to train such jobs one by one",
                )
            n_jobs = self._n_alone[group.reason] = reasons[group.reason]
            log.info("\t%s%s", told, f" ({n_jobs} jobs)" if n_jobs > 1 else "")

    def _train(self, groups: Sequence[Group], jobs: Sequence[Job]) -> Iterator[Outcome]:
        members = [[jobs[member] for member in group.members] for group in groups]
        options: list[dict[str, Any]] = [
            self._group_options(alone=group.reason is not None) for group in groups
        ]
        if self._n_processes == 1:
            for index, group in enumerate(members):
                self._progress.begin(len(group))
                see = self._progress.see
                done = train_jobs(
                    group, self._trials, on_check=see, n_alone=self._n_alone, **options[index]
                )
                yield Outcome(group=index, done=done)
            return
        around = Surroundings()
        calls = [
            (train_elsewhere, (group, self._trials, around), options[index])
            for index, group in enumerate(members)
        ]
        waiting = iter(members)
        for group in islice(waiting, self._n_processes):
            self._progress.begin(len(group))
        for outcome in self._options.processes.run(members, calls):
            yield outcome
            self._progress.begin(len(next(waiting, ())))  # the processes take them in order

    def _group_options(self, *, alone: bool) -> dict[str, Any]:
        return {
            "alone": alone,
            "on_unstackable": self._options.on_unstackable,
            "sweep_dir": Path(str(self._sweep.config.hydra.sweep.dir)).absolute(),
        }

    def _count_trials(self, launched: int) -> int:
        """Trials of the whole sweep: those that the sampler will ask for, if it says so."""
        sweeper = self._sweep.config.hydra.sweeper
        asked, replicates = (OmegaConf.select(sweeper, key) for key in ("n_trials", "replicates"))
        return max(launched, (asked or 0) * (replicates or 1))


def _check_options(options: StackOptions) -> None:
    for name in ("max_trials", "max_bytes"):
        if getattr(options, name) < 1:
            raise ConfigError(
                f"hydra.launcher.stack.{name} is {getattr(options, name)}, but must be >= 1",
                where=f"hydra.launcher.stack.{name}",
                fix="set it to 1 or more",
            )
    if options.on_unstackable not in ("single", "error"):
        raise ConfigError(
            f"hydra.launcher.on_unstackable is {options.on_unstackable}, "
            "but must be single or error",
            where="hydra.launcher.on_unstackable",
            fix="use one of: single, error",
        )
