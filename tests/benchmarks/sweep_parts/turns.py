"""Runs the commands in turns and keeps what they took.

Each runs in an empty folder of its own, timed from outside, with one thread for each process.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweep_parts.commands import ALTERNATIVES, Results, Sweep

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
LONGEST_S = 1200  # of one command
LOOK_S = 0.05  # between two looks at the memory
KIND_SHORT, KIND_EMPTY = "start-up", "empty task"


@dataclass(kw_only=True)
class Taken:
    """What the commands of one alternative took.

    Args:
        whole_s: seconds of each turn, by kind: a title of a search, or one of KIND_*.
        results: points and losses of the last turn, by kind.
    """

    whole_s: dict[str, list[float]] = field(default_factory=dict)
    results: dict[str, Results] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command that is run once in each turn."""

    letter: str
    kind: str
    sweep: Sweep


def take_turns(jobs: Sequence[Job], repeats: int) -> dict[str, Taken]:
    """Run all jobs once in each turn, so that what else the machine does hits all alike."""
    taken = {job.letter: Taken() for job in jobs}
    for turn in range(repeats):
        for n, job in enumerate(jobs, 1):
            alternative, record = ALTERNATIVES[job.letter], taken[job.letter]
            seconds, record.results[job.kind] = run(
                alternative.command(job.sweep), read=alternative.read
            )
            record.whole_s.setdefault(job.kind, []).append(seconds)
            told = f"turn {turn + 1} of {repeats}, command {n} of {len(jobs)}"
            print(f"{told}: ({job.letter}) {job.kind}: {seconds:.1f} s", flush=True)
    return taken


def run(command: Sequence[str], *, read: Callable[[Path], Results]) -> tuple[float, Results]:
    """Run a command in an empty folder; return its seconds, and what it left there."""
    with tempfile.TemporaryDirectory() as folder:
        return time_command(command, Path(folder)), read(Path(folder))


def time_command(
    command: Sequence[str], folder: Path, *, on_start: Callable[[int], None] = lambda _: None
) -> float:
    """Run a command to its end and return its seconds.

    Args:
        command: its words.
        folder: where it runs.
        on_start: called with the number of the process.

    Raises:
        CalledProcessError: it failed; `output` has the end of what it wrote.
        TimeoutExpired: it took more than LONGEST_S.
    """
    log = folder / "command.log"
    environment = {**os.environ, **ONE_THREAD}
    began = time.perf_counter()
    with log.open("w") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its workers end with it
        )
        try:
            on_start(child.pid)
            code = child.wait(LONGEST_S)
            seconds = time.perf_counter() - began
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    if code:
        last = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        print(f"failed: {' '.join(command)}\n{last}", flush=True)
        raise subprocess.CalledProcessError(code, command, last)
    return seconds


def time_with_memory(command: Sequence[str], folder: Path) -> tuple[float, float | None]:
    """Run a command; return its seconds, and the most memory of its processes together [bytes].

    Memory is that which is resident, so pages that processes share count in each; None where
    /proc does not tell it.
    """
    most, done, watchers = [0.0], threading.Event(), []

    def watch(pid: int) -> None:
        while not done.wait(LOOK_S):
            most[0] = max(most[0], sum(map(_resident_bytes, _list_tree(pid))))

    def on_start(pid: int) -> None:
        watchers.append(threading.Thread(target=watch, args=[pid]))
        watchers[0].start()

    try:
        seconds = time_command(command, folder, on_start=on_start)
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
    return seconds, most[0] or None


def _list_tree(pid: int) -> list[int]:
    """List a process and all that descend from it."""
    found = [pid]
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [word for task in tasks for word in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return found
    for child in children:
        found += _list_tree(int(child))
    return found


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
