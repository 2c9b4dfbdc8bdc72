"""Finding run directories below folders, in the order a person would list them.

What counts as a run directory of ours is in `rundir.py`. A folder that another Hydra application or
Lightning's CSVLogger wrote counts as well. Next: `load.py`, which reads what is found here.
"""

import logging
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.results.stamp import ABSENT, stamp_of

METRICS = "metrics.csv"  # as Lightning's CSVLogger names it
HPARAMS = "hparams.yaml"  # beside it, and nobody else's

_LOG = logging.getLogger(__name__)
_OURS = frozenset((rundir.SUMMARY, rundir.HISTORY, rundir.CONFIG.parts[0]))
_KNOWN = _OURS | {METRICS, HPARAMS}


@dataclass(frozen=True)
class Listing:
    """What is known of a folder's content.

    Attributes:
        stamp: of the folder, from before it was listed.
        names: those of its entries by which runs are known.
        folders: names of the folders in it that are entered.
    """

    stamp: str
    names: frozenset[str]
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A run directory below a folder.

    Attributes:
        path: relative to the folder; "" for the folder itself.
        metrics: folder with the metrics of Lightning, relative to the folder above; None if there
            is none. Of several versions in a run directory it is the last.
    """

    path: str
    metrics: str | None = None


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
    for root in check_paths(paths):
        for run in find_runs(root, dict(walk(root, {}))):
            found.setdefault(real_path(root, run.path), root / run.path)
    return sorted(found.values(), key=natural_order)


def check_paths(paths: Iterable[Path | str]) -> list[Path]:
    """Refuse a list without paths.

    Raises:
        RunDirError: it is empty.
    """
    roots = list(map(Path, paths))
    if not roots:
        raise RunDirError("no folder was given", where="DIR...", fix="name a run or sweep folder")
    return roots


def walk(root: Path, known: Mapping[str, Listing]) -> Iterator[tuple[str, Listing]]:
    """List a folder and each folder below it.

    Args:
        root: where to begin.
        known: listings of an earlier walk, by path relative to `root`; one whose stamp still
            holds is taken instead of listing the folder again.

    Raises:
        RunDirError: `root` cannot be listed.
    """
    waiting = [""]
    while waiting:
        path = waiting.pop()
        folder = f"{root}/{path}" if path else str(root)
        stamp = stamp_of(folder)
        listing = known.get(path)
        if listing is None or stamp == ABSENT or listing.stamp != stamp:
            try:
                listing = _list(folder, stamp)
            except OSError as error:
                if not path:
                    raise RunDirError(
                        f"cannot list this folder: {error.strerror or error}",
                        where=str(root),
                        fix="check the path; it must be a folder that you may read",
                    ) from error
                _LOG.warning("left out %s: %s", folder, error.strerror or error)
                continue
        yield path, listing
        waiting += [f"{path}/{name}" if path else name for name in listing.folders]


def find_runs(
    root: Path, listings: Mapping[str, Listing], sure: Container[str] = ()
) -> list[Found]:
    """Tell the run directories among the listed folders, in the order of the listings.

    Args:
        root: the folder that was walked.
        listings: what `walk` gave, by path.
        sure: paths that are known to be run directories of Hydra's or ours.

    Raises:
        RunDirError: there is none.
    """
    runs = {
        path: None
        for path, listing in listings.items()
        if not _OURS.isdisjoint(listing.names) and (path in sure or rundir.is_run_dir(root / path))
    }
    metrics: dict[str, list[str]] = {}
    for path, listing in listings.items():
        if METRICS in listing.names:
            owner = _owner(path, runs)
            if owner is not None:
                metrics.setdefault(owner, []).append(path)
            elif HPARAMS in listing.names:
                metrics[path] = [path]
    if not runs and not metrics:
        raise RunDirError(
            "there is no run directory here",
            where=str(root),
            fix="name a run (outputs/DATE/TIME), a sweep (multirun/DATE/TIME) or a parent",
        )
    latest = {path: max(each, key=_natural_text) for path, each in metrics.items()}
    return [Found(path, latest.get(path)) for path in listings if path in runs or path in metrics]


def has_run(folder: Path) -> bool:
    """Whether there is any run directory in a folder; False where there is no folder."""
    if not folder.is_dir():
        return False
    return any(
        not _OURS.isdisjoint(listing.names) and rundir.is_run_dir(folder / path)
        for path, listing in walk(folder, {})
    )


def real_path(root: Path, path: str) -> str:
    """Give the one path by which a run directory is known, however it was named.

    Args:
        root: the folder that was walked, maybe a link.
        path: of the run directory below it; no link lies there, so that this part is real.
    """
    return os.path.normpath(f"{os.path.realpath(root)}/{path}")


def natural_order(path: Path) -> tuple[list[list[str | int]], str]:
    """Give the key that sorts paths as a person would: 0, 1, 2, 10."""
    return [_split_numbers(part) for part in path.parts], str(path)


def _list(folder: str, stamp: str) -> Listing:
    with os.scandir(folder) as listing:
        entries = {entry.name: entry for entry in listing}
    inner = (
        name
        for name, entry in entries.items()
        if not name.startswith(".") and entry.is_dir(follow_symlinks=False)
    )
    return Listing(stamp, _KNOWN.intersection(entries), tuple(inner))


def _owner(path: str, runs: Mapping[str, None]) -> str | None:
    """Name the run directory in which a folder lies, the innermost one."""
    while path not in runs:
        if not path:
            return None
        path = path.rpartition("/")[0]
    return path


def _natural_text(path: str) -> tuple[list[list[str | int]], str]:
    return natural_order(Path(path))


def _split_numbers(part: str) -> list[str | int]:
    # Text and digits alternate, beginning with text, so that two lists always compare.
    pieces = re.split(r"(\d+)", part)
    return [int(piece) if i % 2 else piece for i, piece in enumerate(pieces)]
