"""Files that may be a stranger's: only plain ones are read, and no link leads out of a folder.

A pipe in the place of a file would be waited for without end, and a link would let a run that goes
on write elsewhere. What the files hold is checked by whoever reads them.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ermlab.errors import RunDirError


def read_bytes(path: Path, *, largest_bytes: int | None = None) -> bytes:
    """Read a file whole.

    Args:
        path: the file, or a link to one.
        largest_bytes: it may have; None for any number.

    Raises:
        OSError: it is not there, cannot be read, or is a folder, a pipe or a device.
        ValueError: it is larger.
    """
    # Opening a pipe would otherwise wait for its other end.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is a pipe or a device, not a file")
        if largest_bytes is not None and found.st_size > largest_bytes:
            raise ValueError(f"it has more than {largest_bytes} bytes")
        return file.read()


def read_text(path: Path, *, largest_bytes: int | None = None) -> str:
    """Read a text whole (see `read_bytes`).

    Raises:
        OSError: see `read_bytes`.
        ValueError: it is larger, or no UTF-8.
    """
    return read_bytes(path, largest_bytes=largest_bytes).decode("utf-8")


def check_folder(folder: Path) -> None:
    """Refuse a folder through which one would write elsewhere, or wait without end.

    Args:
        folder: a run directory or that of a sweep, about to be written to.

    Raises:
        RunDirError: it has a link that leads out of it, or a pipe or a device.
    """
    root = os.path.realpath(folder)
    for entry in _walk(root):
        if entry.is_symlink():
            if os.path.commonpath([root, os.path.realpath(entry.path)]) != root:
                raise RunDirError(
                    f"a link leads out of this folder: {entry.name}",
                    where=entry.path,
                    fix="put the file or folder itself in the place of the link, or remove the "
                    "link; nothing is written through one",
                )
        elif not entry.is_dir() and not entry.is_file():
            raise RunDirError(
                f"{entry.name} is a pipe or a device, not a file",
                where=entry.path,
                fix="remove it",
            )


def _walk(folder: str) -> Iterator["os.DirEntry[str]"]:
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as listing:
                entries = list(listing)
        except OSError as error:
            raise RunDirError(
                f"cannot list this folder: {error.strerror or error}",
                where=current,
                fix="make it a folder that you may read",
            ) from error
        yield from entries
        waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
