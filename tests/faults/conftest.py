"""Commands that start in a moment and are killed with all their processes at a chosen one."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

TINY = ["data.n_inputs=3", "data.n_outputs=2", "data.n_train=40", "data.n_valid=10",
        "data.n_test=10", "model.hidden_units=4", "loop.batch_size=5", "device=cpu", "plot=false",
        "dtype=float64"]  # fmt: skip


class Fleet:
    """Starts commands in a folder, one after the other."""

    def __init__(self, server):
        self._server = server
        self._count = itertools.count()

    def _ask(self, **wish):
        self._server.stdin.write(json.dumps(wish) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, folder, *words, allow="", n_summaries=0):
        """Start a command, which may call targets in the folder; return it.

        It is killed when so many runs have written their summaries, but are not told yet; 0: never.
        """
        log = folder / f"told_{next(self._count)}.log"
        wish = {"words": words, "allow": allow, "n_summaries": n_summaries}
        pid = self._ask(folder=str(folder), log=str(log), **wish)
        return Child(pid, log, self._ask)

    def run(self, folder, *words, **options):
        """Carry out a command; return its exit code and what it wrote."""
        child = self.start(folder, *words, **options)
        return child.wait(), child.told()


class Child:
    """A command that was started, and all processes that it starts."""

    def __init__(self, pid, log, ask):
        self.pid, self._log, self._ask = pid, log, ask
        self.code = None

    def poll(self, *, wait=False):
        """Return the exit code, or None while the command goes on."""
        if self.code is None:
            self.code = self._ask(pid=self.pid, wait=wait)
        return self.code

    def wait(self):
        """Wait for the end; return the exit code."""
        return self.poll(wait=True)

    def told(self):
        """What the command wrote."""
        return self._log.read_text()

    def signal(self, number):
        """Send a signal to the command alone."""
        os.kill(self.pid, number)

    def kill(self):
        """Kill the command and its processes."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has no group in its first moment
                os.killpg(self.pid, signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        self.wait()

    def wait_for(self, has_come, timeout_s=120):
        """Wait until something has come or the command has ended; return whether it goes on."""
        until = time.monotonic() + timeout_s
        while not has_come():
            if self.poll() is not None:
                return False
            assert time.monotonic() < until, self.told()
            time.sleep(0.001)
        return self.poll() is None


@pytest.fixture(scope="session")
def fleet():
    """What starts commands."""
    script = Path(__file__).parent / "forking.py"
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Fleet(server)


@pytest.fixture
def tiny():
    """Overrides for a trial that takes no time."""
    return TINY


@pytest.fixture
def count_files():
    """Give a function that counts the files below a folder, and the lines of a sweep's journal."""

    def count(folder):
        journal = folder / "study.jsonl"
        n_lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
        return n_lines + sum(len(files) for _, _, files in os.walk(folder))

    return count
