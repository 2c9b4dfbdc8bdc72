"""One process at a time writes to a run directory or a sweep directory.

The lock is the operating system's, on the folder itself: it ends with the process that holds it,
however that ends, and leaves no file behind.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ermlab.errors import RunDirError
from ermlab.rundir import storage_errors

try:
    import fcntl
except ImportError:  # Windows: there a folder is not guarded
    fcntl = None  # type: ignore[assignment]

# own: a process of a killed sweep, left behind, ends the stack that it trains and then itself.
LEFT_BEHIND_S = 60
_ASK_EVERY_S = 0.05


@contextmanager
def locked(folder: Path, *, wait_s: float = 0) -> Iterator[None]:
    """Hold a folder while the block runs.

    On a file system without locks, such as some network ones, nothing is guarded, and neither is a
    folder that is not there: who writes to it is told so.

    Args:
        folder: the folder.
        wait_s: seconds to wait for another process to end, >= 0.

    Raises:
        RunDirError: another process holds it, or it cannot be opened.
    """
    if fcntl is None or not folder.exists():
        yield
        return
    with storage_errors(folder):
        number = os.open(folder, os.O_RDONLY)
    try:
        _take(number, folder, until=time.monotonic() + wait_s)
        yield
    finally:
        os.close(number)  # and with it the lock


def _take(number: int, folder: Path, *, until: float) -> None:
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < until:
                time.sleep(_ASK_EVERY_S)
                continue
            raise RunDirError(
                "another process is writing to this folder",
                where=str(folder),
                fix="wait until it has ended, or end it; then run this again",
            ) from error
        except OSError:  # the file system has no locks
            return
        return
