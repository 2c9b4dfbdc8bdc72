"""A lane in another process: asks the desk through the post, and sends along what is logged.

The desk and its server are in the process of the sweep (`launch.py`).
"""

import logging
from collections.abc import Sequence
from typing import Any

from ermlab.sweep.job import Job
from ermlab.sweep.lane import Lane, LaneOptions
from ermlab.sweep.post import Address, Ended, call, connect
from ermlab.sweep.trials import Trials
from ermlab.sweep.worker import Ended as JobEnded
from ermlab.sweep.worker import Surroundings, gathered, portable
from ermlab.trial.reports import Report


def run_lane(address: Address, trials: Trials, around: Surroundings, options: LaneOptions) -> None:
    """Train jobs in this process until the desk has no more, or ends the sweep."""
    around.enter()
    with connect(address) as connection, gathered() as records:
        desk = _RemoteDesk(connection, records)
        try:
            Lane(desk, trials, options).run()
        except Ended:
            return


class _RemoteDesk:
    """The desk of the sweep's process (see `lane.Desk`)."""

    def __init__(self, connection: Any, records: list[logging.LogRecord]) -> None:
        self._connection, self._records = connection, records
        self._jobs: dict[int, Job] = {}

    def take(self, n_jobs: int, is_new: bool) -> list[Job]:
        jobs: list[Job] = call(self._connection, ("take", n_jobs, is_new))
        self._jobs |= {job.number: job for job in jobs}
        return jobs

    def begin(self, number: int, clock: int) -> None:
        call(self._connection, ("begin", number, clock))

    def end(self, number: int, ended: JobEnded, clock: int) -> None:
        records, self._records[:] = list(self._records), []
        told = portable(self._jobs.pop(number), ended)
        call(self._connection, ("end", number, told, clock, records))

    def judge(self, reports: Sequence[Report], clock: int) -> list[bool]:
        kept: list[bool] = call(self._connection, ("judge", list(reports), clock))
        return kept
