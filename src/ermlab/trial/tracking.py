"""Feeds a run's tracker from a thread, so that it neither stops nor slows the training.

A tracker that fails is told in one warning and left out of that run; one that hangs is waited for
once, and left out of every later run of this process. Nothing a tracker does reaches a number.
"""

import functools
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ermlab import rundir
from ermlab.errors import RunDirError, describe_error
from ermlab.rundir import Value
from ermlab.tracker.tracker import Tracker

log = logging.getLogger(__name__)

USUAL_WAIT_S = 60.0  # own: for a tracker of a user's that does not say
NO_METRICS = ("step", "epoch", "wall_s")  # columns of a history


@dataclass
class _Followed:
    """The runs of this process that a tracker follows, and the kinds that are left out."""

    runs: dict[Path, "_Thread"] = field(default_factory=dict)
    given_up: set[type] = field(default_factory=set)


@functools.cache
def _followed() -> _Followed:
    return _Followed()


def start_tracking(
    tracker: Tracker | None, config: Mapping[str, Value], run_dir: Path, *, n_kept: int = 0
) -> None:
    """Let a tracker follow a run from now on; none does nothing.

    Args:
        tracker: a new one, or None.
        config: flat columns of the run's configuration.
        run_dir: its folder.
        n_kept: rows of its history that a run which is continued keeps.
    """
    finish_tracking(run_dir)  # it begins anew, such as when a stack falls apart
    if tracker is None or type(tracker) in _followed().given_up:
        return
    thread = _Thread(tracker, config)
    _followed().runs[run_dir] = thread
    thread.call(lambda: tracker.start(config, run_dir))
    for row in _read_rows(run_dir, n_kept):
        track_row(run_dir, row)


def track_row(run_dir: Path, row: Mapping[str, float]) -> None:
    """Tell the tracker of a run, if it has one, of a row of its history."""
    thread = _followed().runs.get(run_dir)
    if thread is not None:
        values = {name: value for name, value in row.items() if name not in NO_METRICS}
        thread.call(lambda: thread.tracker.log(int(row["step"]), values))


def finish_tracking(run_dir: Path) -> None:
    """End the tracking of a run, if a tracker follows it, and wait for that, but not forever."""
    thread = _followed().runs.pop(run_dir, None)
    if thread is None:
        return
    summary = thread.results(_read_summary(run_dir))
    thread.call(lambda: thread.tracker.finish(summary, run_dir))
    _wait_for(thread, run_dir)


def amend_tracking(tracker: Tracker | None, added: Mapping[str, Value], run_dir: Path) -> None:
    """Tell the tracker of a run that has ended what was measured since, if it can take that in.

    Args:
        tracker: a new one of the run's kind, or None.
        added: columns of the summary.
        run_dir: its folder.
    """
    amend = getattr(tracker, "amend", None)
    if tracker is None or amend is None or type(tracker) in _followed().given_up:
        return
    thread = _Thread(tracker, {})
    thread.call(lambda: amend(added, run_dir))
    _wait_for(thread, run_dir)


def _wait_for(thread: "_Thread", run_dir: Path) -> None:
    wait_s = float(getattr(thread.tracker, "wait_s", USUAL_WAIT_S))
    if not thread.ends_within(wait_s):
        _followed().given_up.add(type(thread.tracker))
        log.warning(
            "%s did not end within %g s (tracker.wait_s) and is left out from now on; the run "
            "itself is complete: %s", thread.name, wait_s, run_dir,
        )  # fmt: skip


class _Thread:
    """Calls a tracker, one call after the other."""

    def __init__(self, tracker: Tracker, config: Mapping[str, Value]) -> None:
        self.tracker, self._config = tracker, config
        self.name = type(tracker).__name__
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon: one that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"tracker {self.name}", daemon=True)
        self._thread.start()

    def call(self, call: Callable[[], None]) -> None:
        """Call something of the tracker, when it has done what it was told before."""
        if self._thread.is_alive():
            self._calls.put(call)

    def ends_within(self, seconds: float) -> bool:
        """Wait until the tracker has done all calls; return whether it has."""
        self._calls.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def results(self, summary: Mapping[str, Any]) -> dict[str, Value]:
        """Take what a summary has beside the configuration."""
        return {key: value for key, value in summary.items() if key not in self._config}

    def _run(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                call()
        except Exception as error:  # noqa: BLE001  # any: training goes on, as the guide promises
            log.warning(
                "%s failed and is left out of this run, which goes on: %s",
                self.name,
                describe_error(error),
            )


def _read_rows(run_dir: Path, n_rows: int) -> list[dict[str, float]]:
    if not n_rows:
        return []
    try:
        columns = rundir.read_history(run_dir)
    except RunDirError as error:
        log.warning("a tracker is not told the rows of before: %s", error.what)
        return []
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows][:n_rows]


def _read_summary(run_dir: Path) -> Mapping[str, Any]:
    try:
        return rundir.read_summary(run_dir) or {"status": "unfinished"}
    except RunDirError:
        return {"status": "unfinished"}
