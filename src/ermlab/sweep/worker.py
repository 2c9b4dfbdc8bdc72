"""Trains the jobs of one group, in the process of the sweep or in another one.

What goes to another process and comes back is small and can be pickled: no tensors, no open files.
Which process does it is decided in `processes.py`.
"""

import functools
import logging
import logging.handlers
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.utils import env_override, setup_globals
from omegaconf.basecontainer import BaseContainer

from ermlab import rundir
from ermlab.errors import ErmlabError, TrialError, describe_error
from ermlab.loop.check import Check
from ermlab.sweep.job import Job
from ermlab.sweep.job_log import logging_to
from ermlab.sweep.post import find_judge
from ermlab.sweep.trials import Trials
from ermlab.trial.build import DataCache
from ermlab.trial.stack_run import Result, StackOptions, TrialTask, run_alone, run_stack

log = logging.getLogger(__name__)

OnCheck = Callable[[Check], None]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a job ended.

    Args:
        value: what the sweep optimizes, or the exception that ended the job.
        status: as in its summary.
    """

    value: float | list[float] | Exception
    status: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a group returns: how each job ended, and what was logged in another process."""

    jobs: Sequence[Ended]
    records: Sequence[logging.LogRecord] = ()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What code of the user's may need of the process of the sweep, to be had in another one."""

    folder: str = field(default_factory=os.getcwd)
    search_path: Sequence[str] = field(default_factory=lambda: list(sys.path))
    level: int = field(default_factory=lambda: logging.getLogger("ermlab").getEffectiveLevel())
    resolvers: Mapping[str, Any] = field(default_factory=lambda: dict(_resolvers_of_users()))

    def enter(self) -> None:
        """Make this process like the one of the sweep."""
        setup_globals()
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        sys.path += [entry for entry in self.search_path if entry not in sys.path]
        logging.getLogger("ermlab").setLevel(self.level)
        BaseContainer._resolvers.update(self.resolvers)


def train_jobs(
    jobs: Sequence[Job],
    trials: Trials,
    *,
    alone: bool,
    on_unstackable: str,
    sweep_dir: Path,
    on_check: OnCheck | None = None,
    n_alone: Counter[str] | None = None,
    is_elsewhere: bool = False,
) -> Done:
    """Train some jobs and write their run directories.

    Args:
        jobs: of one group.
        trials: of the task.
        alone: whether the reference learner trains each, one after the other.
        on_unstackable: "single" trains jobs that turn out not to stack alone; "error" fails them.
        sweep_dir: folder of the sweep, where it says who prunes its runs.
        on_check: told of every check of the stack.
        n_alone: see `StackOptions`.
        is_elsewhere: whether this process is not the sweep's (see `Job.mark_begun`).

    Returns:
        How each job ended. No exception of a job passes through.
    """
    tasks = [make_task(job, is_elsewhere=is_elsewhere) for job in jobs]
    options = StackOptions(
        allow=trials.allow,
        on_unstackable=on_unstackable,
        on_check=on_check,
        judge=find_judge(sweep_dir),
        cache=process_cache(),
        n_alone=Counter() if n_alone is None else n_alone,
    )
    group = _Group()
    with env_override(dict(jobs[0].environment)):  # equal within a group
        if alone:
            for task in tasks:
                group.ended(task, run_alone(task, options), 0)
        else:
            run_stack(tasks, group, options)
        pairs = zip(jobs, tasks, strict=True)
        ended = [finish_job(job, task, group.results[job.number], trials) for job, task in pairs]
    return Done(jobs=ended)


class _Group:
    """The supply of a stack whose trials are those that it begins with."""

    def __init__(self) -> None:
        self.results: dict[int, Result] = {}

    def next_clock(self) -> int | None:
        return None

    def take(self, n_places: int, clock: int) -> Sequence[TrialTask]:
        return ()

    def ended(self, task: TrialTask, result: Result, clock: int) -> None:
        self.results[task.number] = result


def make_task(job: Job, *, is_elsewhere: bool = False) -> TrialTask:
    """Write a job's files, mark it as begun if elsewhere, and return the trial it asks for."""
    config = job.task_config()
    job.write_files(config)
    if is_elsewhere:
        job.mark_begun()
    return TrialTask(number=job.number, config=config, run_dir=job.run_dir, choices=job.choices)


def train_elsewhere(
    jobs: Sequence[Job], trials: Trials, around: Surroundings, **options: Any
) -> Done:
    """Train some jobs in a process that is not the sweep's (see `train_jobs`)."""
    around.enter()
    with gathered() as records:
        done = train_jobs(jobs, trials, is_elsewhere=True, **options)
    ended = [portable(job, each) for job, each in zip(jobs, done.jobs, strict=True)]
    return Done(jobs=ended, records=records)


@functools.cache
def process_cache() -> DataCache:
    """The data sets that the groups of one process have in common."""
    return {}


def finish_job(job: Job, task: TrialTask, result: Result, trials: Trials) -> Ended:
    """Do what a job does after its training, and say how it ended."""
    with logging_to(job.log):
        if isinstance(result, Exception):
            log.error("\t#%d failed: %s", job.number, describe_error(result))
            return Ended(value=result, status="failed")
        try:
            value: float | list[float] | Exception = trials.finish(
                task.config, task.run_dir, result
            )
        except Exception as error:  # noqa: BLE001  # of this job: the others are told theirs
            log.error("\t#%d was trained, but then: %s", job.number, describe_error(error))
            value = error
    return Ended(value=value, status=str(result["status"]))


@contextmanager
def gathered() -> Iterator[list[logging.LogRecord]]:
    """Gather what is logged meanwhile, in a form that can be pickled."""
    handler = _Gathering()
    ours = logging.getLogger("ermlab")
    ours.addHandler(handler)
    try:
        yield handler.records
    finally:
        ours.removeHandler(handler)


class _Gathering(logging.handlers.QueueHandler):
    """Keeps messages, in a form that can be pickled."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # a list serves as the queue
        self.records: list[logging.LogRecord] = []

    def enqueue(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def portable(job: Job, ended: Ended) -> Ended:
    """Replace an exception of a class that the sweep's process may not know."""
    error = ended.value
    if not isinstance(error, Exception) or isinstance(error, ErmlabError):
        return ended
    told = TrialError(
        describe_error(error),
        where=str(job.run_dir),
        fix=f"see {rundir.TRACEBACK} there",
    )
    return Ended(value=told, status=ended.status)


def _resolvers_of_users() -> Iterator[tuple[str, Any]]:
    """The resolvers that Hydra's own set-up does not register."""
    known = ("oc.", "hydra", "now", "python_version")
    for name, resolver in BaseContainer._resolvers.items():
        if not name.startswith(known):
            yield name, resolver
