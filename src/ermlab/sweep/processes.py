"""Trains the groups of a sweep in several processes, and goes on when one of them is killed.

The processes are joblib's: `loky` on one machine, `ray` on a cluster, or any other backend that is
registered with joblib. Each group is one task of theirs.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib

from ermlab import rundir
from ermlab.errors import ConfigError, ErmlabError, TrialError, describe_error
from ermlab.sweep.job import Job
from ermlab.sweep.post import LOOPBACK
from ermlab.sweep.worker import Done, Ended
from ermlab.trial.objectives import objective_values

log = logging.getLogger(__name__)

Call = tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]  # as `joblib.delayed` makes it


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Where groups are trained.

    Args:
        n_jobs: processes at once; -1 for one on each core.
        backend: joblib's name for the kind of process.
        wait: called before they are used; waits until those that were started early are there.
    """

    n_jobs: int
    backend: str
    wait: Callable[[], None] = lambda: None

    def count(self) -> int:
        """How many processes there are at once.

        Raises:
            ConfigError: there is no such number, or no such backend.
        """
        if self.backend == "ray":
            _start_ray(self.n_jobs)
        try:
            with joblib.parallel_config(self.backend):
                return int(joblib.effective_n_jobs(self.n_jobs))
        except (ValueError, ImportError) as error:
            raise ConfigError(
                f"there are no processes {self.n_jobs} of {self.backend}: {error}",
                where="hydra.launcher.backend and hydra.launcher.n_jobs",
                fix="use n_jobs=1 or more (-1: one for each core), and loky, ray or another "
                "backend of joblib's",
            ) from error

    def host(self) -> str:
        """The address of this machine at which the processes reach it."""
        if self.backend in ("loky", "multiprocessing", "threading", "sequential"):
            return LOOPBACK
        if self.backend == "ray" and not os.environ.get("RAY_ADDRESS"):
            return LOOPBACK
        return socket.gethostbyname(socket.gethostname())

    def run(self, groups: Sequence[Sequence[Job]], calls: Sequence[Call]) -> Iterator["Outcome"]:
        """Train groups and yield each as it ends, in any order.

        A killed process loses the groups that were being trained. Each of these is trained once
        more, by itself; one that ends its process again is reported as unfinished.

        Args:
            groups: the jobs of each group.
            calls: what trains each group, for another process.
        """
        since = time.time() - 1  # file systems round times, down to whole seconds
        left = list(range(len(groups)))
        while left:
            ended = yield from self._run_some(left, calls)
            left = [index for index in left if index not in ended]
            begun = [i for i in left if any(job.has_begun(since) for job in groups[i])]
            if left and not ended and not begun:
                raise _cannot_start(self.backend)
            for index in begun:
                if not _is_written(groups[index]):
                    log.warning("\ttraining jobs %s once more", _numbers(groups[index]))
                    if (yield from self._run_some([index], calls)):
                        continue
                yield Outcome(group=index, done=_read_back(groups[index]))
            left = [index for index in left if index not in begun]

    def run_all(self, calls: Sequence[Call]) -> bool:
        """Carry out calls at once; return whether all ended, and no process was killed."""
        return len(_exhaust(self._run_some(range(len(calls)), calls))) == len(calls)

    def _run_some(
        self, wanted: Sequence[int], calls: Sequence[Call]
    ) -> Generator["Outcome", None, set[int]]:
        """Yield what ends; return which did before a process was killed, if one was."""
        self.wait()
        ended: set[int] = set()
        tagged = [joblib.delayed(_tag)(index, calls[index]) for index in wanted]
        try:
            with joblib.parallel_config(self.backend) as config:
                streams = config["backend"].supports_return_generator
                parallel = joblib.Parallel(
                    n_jobs=max(2, self.count()),  # with one, joblib would train in this process
                    pre_dispatch="all",
                    batch_size=1,
                    # Ray's gives its results at the end only.
                    return_as="generator_unordered" if streams else "list",
                )
                for index, done in parallel(tagged):
                    ended.add(index)
                    yield Outcome(group=index, done=done)
        except ErmlabError:
            raise  # the disk, or a file in the place of a folder: no process is to blame
        except Exception as error:  # noqa: BLE001  # a job's own would be in what it returns
            log.warning("\ta process ended before its jobs did: %s", describe_error(error))
        return ended


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A group that ended: its position, and how its jobs ended."""

    group: int
    done: Done


def _exhaust(outcomes: Generator["Outcome", None, set[int]]) -> set[int]:
    while True:
        try:
            next(outcomes)
        except StopIteration as end:
            ended: set[int] = end.value
            return ended


def _tag(index: int, call: Call) -> tuple[int, Done]:
    function, arguments, options = call
    return index, function(*arguments, **options)


def _is_written(jobs: Sequence[Job]) -> bool:
    return all((job.run_dir / rundir.SUMMARY).exists() for job in jobs)


def _read_back(jobs: Sequence[Job]) -> Done:
    """Report the jobs of a group whose process was killed from what they left on disk."""
    return Done(jobs=[_report(job) for job in jobs])


def _report(job: Job) -> Ended:
    summary = rundir.read_summary(job.run_dir)
    if summary is not None:  # written before the process was killed
        value = objective_values(summary, job.task_config().objective)
        return Ended(value=value, status=str(summary["status"]))
    lost = TrialError(
        "its process was killed while it trained",
        where=str(job.run_dir),
        fix="the machine may lack memory: use fewer processes (hydra.launcher.n_jobs) or smaller "
        "stacks (hydra.launcher.stack.max_trials)",
    )
    log.error("\t#%d is unfinished: %s", job.number, lost.what)
    return Ended(value=lost, status="unfinished")


def _numbers(jobs: Sequence[Job]) -> str:
    return ", ".join(f"#{job.number}" for job in jobs)


def _cannot_start(backend: str) -> TrialError:
    return TrialError(
        "no job could be started in another process",
        where=f"hydra.launcher.backend={backend}",
        fix="see the warning above; hydra.launcher.n_jobs=1 trains in this process",
    )


def _start_ray(n_jobs: int) -> None:
    """Make Ray known to joblib; start it on this machine unless a cluster is named."""
    if not os.environ.get("RAY_ADDRESS"):
        # Read at Ray's import. On Linux it makes of 127.0.0.1 the address of the machine, where
        # others could reach it, unless told that this is no cluster.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ConfigError(
            "the backend is ray, which is not installed",
            where="hydra.launcher.backend",
            fix="install it with: pip install 'ermlab[ray]'; or use hydra.launcher.backend=loky",
        ) from error
    register_ray()  # type: ignore[no-untyped-call]  # untyped in ray
    # Ray's pool warns that it ignores an option of joblib's, each time.
    logging.getLogger("ray.util.multiprocessing.pool").setLevel(logging.ERROR)
    if ray.is_initialized():
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(logging_level=logging.WARNING)
        return
    ray.init(
        num_cpus=os.cpu_count() if n_jobs < 0 else n_jobs,
        include_dashboard=False,
        logging_level=logging.WARNING,
        _node_ip_address="127.0.0.1",
    )
