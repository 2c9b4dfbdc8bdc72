"""The runs of one folder as a table: from its cache what is unchanged, the rest from the files.

The cache is in `cache.py`, the reading of one run directory in `read_run.py`.
"""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ermlab import rundir
from ermlab.results.cache import MIN_RUNS, SETTINGS, Cache, CacheWriter, Entry, Table, read_cache
from ermlab.results.find import Found, find_runs, natural_order, walk
from ermlab.results.progress import tell_progress
from ermlab.results.read_run import Files, Row, read_run
from ermlab.results.tidy import clean_text, tidy_column
from ermlab.rundir import Value


def load_folder(root: Path) -> Table:
    """Load the runs at or below a folder, and keep what was read for the next time.

    Args:
        root: a run directory, a sweep directory, or any folder above them.

    Returns:
        Its table, in natural order of the paths, without a column `run_dir`.

    Raises:
        RunDirError: the folder does not exist, or has no run directory.
    """
    with _collector_paused():
        return _load(root)


def make_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Make a table of rows: a column for each name that any of them has.

    Returns:
        The table, with the names of certain settings in `attrs["settings"]`.
    """
    names = dict.fromkeys(name for row in rows for name in row.columns)
    frame = pd.DataFrame(
        {
            clean_text(name): _column(name, [row.columns.get(name) for row in rows])
            for name in names
        },
        index=range(len(rows)),
    )
    settings = dict.fromkeys(clean_text(name) for row in rows for name in row.settings)
    frame.attrs[SETTINGS] = list(settings)
    return frame


def _load(root: Path) -> Table:
    began_ns = time.monotonic_ns()
    cache = read_cache(root)
    listings = dict(walk(root, cache.listings))
    current = {path: entry for path, entry in cache.entries.items() if entry.is_current(str(root))}
    found = find_runs(root, listings, sure={path for path in current if _has_mark(path, current)})
    metrics = {run.path: run.metrics for run in found}
    if len(current) == len(cache.entries) and metrics == {
        path: entry.metrics for path, entry in current.items()
    }:
        return Table(cache.frame(), lambda: list(cache.rows().values()), current)
    writer = CacheWriter(root, began_ns) if len(found) >= MIN_RUNS else None
    table = _read(root, found, cache, current)
    if writer is not None:
        writer.write(table, listings)
    return table


def _read(root: Path, found: Sequence[Found], cache: Cache, current: dict[str, Entry]) -> Table:
    kept = cache.rows() if current else {}
    rows: list[Row] = []
    entries: dict[str, Entry] = {}
    ordered = sorted(found, key=lambda run: natural_order(Path(run.path)))
    for run in tell_progress(ordered, "read runs"):
        entry = current.get(run.path)
        if entry is not None and entry.metrics == run.metrics:
            rows.append(kept[run.path])
        else:
            files = Files(root, run.path)
            rows.append(read_run(run, files))
            entry = Entry(run.metrics, files.stamps)
        entries[run.path] = entry
    return Table(make_frame(rows), lambda: rows, entries)


def _has_mark(path: str, current: dict[str, Entry]) -> bool:
    """Whether a file by which a run is known was there when its row was read."""
    prefix = f"{path}/" if path else ""
    files = current[path].files
    return any(files.get(f"{prefix}{name}") for name in (rundir.SUMMARY, rundir.CONFIG))


def _column(name: str, values: Sequence[Value]) -> "pd.Series[Any]":
    # Text also where no run has an error, so that `.str` works on it.
    is_empty = name == "error" and all(value is None for value in values)
    return pd.Series([None] * len(values), dtype=object) if is_empty else tidy_column(values)


@contextmanager
def _collector_paused() -> Iterator[None]:
    # A million small values are made, none of them garbage, and looking at each again and again
    # would take a third of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
