"""Finding run directories below folders, in the order a person would list them.

What counts as a run directory is in `rundir.py`. Next: `load.py`, which reads what is found here.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ermlab import rundir
from ermlab.errors import RunDirError

_LOG = logging.getLogger(__name__)


def find_run_dirs(paths: Iterable[Path | str]) -> list[Path]:
    """Find each run directory at or below the given folders, once.

    Links below the given folders are not followed, and hidden folders are not entered.

    Args:
        paths: run directories, sweep directories, or any folders above them; one or more.

    Returns:
        The run directories, each spelled as the given path and what lies below it, in natural
        order: 0, 1, 2, 10. A folder below that may not be read is left out with a warning.

    Raises:
        RunDirError: a path does not exist, is no folder, or has no run directory.
    """
    found: dict[str, Path] = {}  # by real path, so that overlapping paths give a run once
    roots = list(paths)
    if not roots:
        raise RunDirError("no folder was given", where="DIR...", fix="name a run or sweep folder")
    for root in map(Path, roots):
        below = list(_walk(root))
        if not below:
            raise RunDirError(
                "there is no run directory here",
                where=str(root),
                fix="name a run (outputs/DATE/TIME), a sweep (multirun/DATE/TIME) or a parent",
            )
        real = os.path.realpath(root)
        for path in below:
            relative = os.path.relpath(path, root)  # no link lies below, so this is real as well
            found.setdefault(os.path.normpath(f"{real}/{relative}"), Path(path))
    return sorted(found.values(), key=_natural_order)


def has_run(folder: Path) -> bool:
    """Whether there is any run directory in a folder; False where there is no folder."""
    return folder.is_dir() and next(_walk(folder), None) is not None


def _walk(root: Path) -> Iterator[str]:
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = {entry.name: entry for entry in listing}
        except OSError as error:
            if folder == str(root):
                raise RunDirError(
                    f"cannot list this folder: {error.strerror or error}",
                    where=str(root),
                    fix="check the path; it must be a folder that you may read",
                ) from error
            _LOG.warning("left out %s: %s", folder, error.strerror or error)
            continue
        if _holds_run(folder, entries):
            yield folder
        for name, entry in entries.items():
            if not name.startswith(".") and entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def _holds_run(folder: str, entries: "dict[str, os.DirEntry[str]]") -> bool:
    # The names come first: most folders are answered by them, without a question to the disk.
    likely = (rundir.SUMMARY, rundir.HISTORY, rundir.CONFIG.parts[0])
    return any(name in entries for name in likely) and rundir.is_run_dir(Path(folder))


def _natural_order(path: Path) -> tuple[list[list[str | int]], str]:
    return [_split_numbers(part) for part in path.parts], str(path)


def _split_numbers(part: str) -> list[str | int]:
    # Text and digits alternate, beginning with text, so that two lists always compare.
    pieces = re.split(r"(\d+)", part)
    return [int(piece) if i % 2 else piece for i, piece in enumerate(pieces)]
