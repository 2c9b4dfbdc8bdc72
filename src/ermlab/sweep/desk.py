"""Opens the jobs of a sweep for the lanes that train them, and shows how far it is.

What runs there are, `study_sweep.py` says; a lane in another process asks through `post.py`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from hydra.core.utils import JobReturn, JobStatus, filter_overrides

from ermlab.sweep.job import Job
from ermlab.sweep.progress import SweepProgress
from ermlab.sweep.worker import Ended
from ermlab.trial.reports import Report

log = logging.getLogger(__name__)


class Source(Protocol):
    """Gives the runs of a sweep one by one (see `study_sweep.Trials`)."""

    starts: dict[int, int]
    clock: int
    last: tuple[int, Sequence[str]] | None

    @property
    def n_at_once(self) -> int:
        """Runs that there are at once at most."""
        ...

    @property
    def prunes(self) -> bool:
        """Whether runs are to be reported."""
        ...

    def take(self, n_runs: int, *, is_new: bool) -> list[tuple[int, Sequence[str]]]:
        """Return the numbers and overrides of the next runs, at most so many."""
        ...

    def be_ahead(self, n_trials: int) -> None:
        """Let so many trials be asked for that wait until others have ended."""
        ...

    def started(self, number: int, clock: int) -> None:
        """Take in that a run began when the clock of the only stack showed so many steps."""
        ...

    def ended(self, number: int, run_dir: Path, value: Any, clock: int | None) -> None:
        """Take in how a run ended."""
        ...

    def judge(self, reports: Sequence[Report]) -> list[bool]:
        """Return which runs train on."""
        ...


class JobDesk:
    """Gives jobs to the lanes of a sweep; may be used from several threads.

    Args:
        source: of the runs.
        open_job: makes a job of its number and overrides.
        on_start: told of each job before it trains.
        on_end: told of each job that ended, with its JobReturn filled in by `ended`.
        progress: shows how far the sweep is.
        is_only: whether there is one lane, whose clock tells the order of what happens.
    """

    def __init__(
        self,
        source: Source,
        *,
        open_job: Callable[[int, Sequence[str]], Job],
        on_start: Callable[[Job], None],
        on_end: Callable[[Job, Ended], None],
        progress: SweepProgress,
        is_only: bool,
    ) -> None:
        self._source, self._open_job = source, open_job
        self._on_start, self._on_end = on_start, on_end
        self._progress, self._is_only = progress, is_only
        self._given: dict[int, Job] = {}
        self._again: list[Job] = []  # given before to a lane that was lost
        self._begun: set[int] = set()
        self._lock = threading.RLock()

    def take(self, n_jobs: int, is_new: bool) -> list[Job]:
        """Return the next jobs (see `lane.Desk`).

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        with self._lock:
            jobs, self._again = self._again[:n_jobs], self._again[n_jobs:]
            for number, words in self._source.take(n_jobs - len(jobs), is_new=is_new):
                log.info("\t#%d : %s", number, " ".join(filter_overrides(words)))
                jobs.append(self._open_job(number, words))
            self._given |= {job.number: job for job in jobs}
            return jobs

    def begin(self, number: int, clock: int) -> None:
        """Take in that a job begins to train."""
        with self._lock:
            self._begun.add(number)
            self._progress.begin(1)
            if self._is_only:
                self._source.started(number, clock)
            self._on_start(self._given[number])

    def end(
        self,
        number: int,
        ended: Ended,
        clock: int | None,
        records: Sequence[logging.LogRecord] = (),
    ) -> None:
        """Take in how a job ended, and what another process logged until then.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        with self._lock:
            for record in records:
                logging.getLogger(record.name).handle(record)
            job = self._given.pop(number)
            self._begun.discard(number)
            self._progress.end([ended])
            self._on_end(job, ended)
            clock = clock if self._is_only else None
            self._source.ended(number, job.run_dir, ended.value, clock)

    def judge(self, reports: Sequence[Report]) -> list[bool]:
        """Return which jobs train on."""
        return self._source.judge(reports)

    def take_back(self) -> list[Job]:
        """Take back the jobs of lanes that were lost; return those that had begun to train."""
        with self._lock:
            begun = [job for number, job in self._given.items() if number in self._begun]
            self._again = [j for n, j in self._given.items() if n not in self._begun]
            return begun


def settle(done: JobReturn, ended: Ended) -> JobReturn:
    """Fill in what a job returned."""
    failed = isinstance(ended.value, Exception)
    done.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
    done.return_value = ended.value
    return done
