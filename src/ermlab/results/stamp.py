"""What the system knows of a file or folder without opening it, so that a change of it shows.

Next: `cache.py`, which keeps what was read together with the stamps of where it was read.
"""

import os

ABSENT = ""
# Own: a file system may count whole seconds (or two), so that a file written twice within them may
# bear one time. git's "racy" index entries are the same trap.
COARSEST_S = 2


def stamp_of(path: str) -> str:
    """Name a state of a file: another content has another stamp; ABSENT where nothing can be read.

    Device, inode, size and both times stand in it. The time of the last change of the inode cannot
    be set by a program, so a file that is replaced by one of the same size and time of
    modification has another stamp, on every system but Windows. A link counts as what it leads to.
    """
    try:
        return stamp_from(os.stat(path))  # noqa: PTH116  # a Path for each of 10,000 costs more
    except (OSError, ValueError):
        return ABSENT


def stamp_from(known: os.stat_result) -> str:
    """Make the stamp of a file from what `os.stat` told of it."""
    return (
        f"{known.st_dev:x} {known.st_ino:x} {known.st_size:x} "
        f"{known.st_mtime_ns:x} {known.st_ctime_ns:x}"
    )


def is_settled(stamp: str, now_ns: int) -> bool:
    """Whether a file had its stamp so long that a later change must give it another.

    Args:
        stamp: what `stamp_of` gave, at `now_ns` or later.
        now_ns: the time by the clock of the file system [ns].
    """
    _, modified, changed = stamp.rsplit(" ", 2)
    return max(int(modified, 16), int(changed, 16)) < now_ns - COARSEST_S * 10**9
