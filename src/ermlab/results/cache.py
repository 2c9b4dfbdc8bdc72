"""The cache of a folder with many runs: what `load_runs` read, and the stamps of where it was read.

A cached row counts only while each file that it was read from, or that was looked for in vain, has
the stamp of then. So the cache may be deleted at any time, and may be old, copied, damaged or
someone else's: it then saves less time, and the table is the same. What is not checked is in
`stamp.py`. Next: `load.py`.
"""

import json
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.foreign import read_bytes
from ermlab.results.find import Listing
from ermlab.results.read_run import Row
from ermlab.results.stamp import ABSENT, is_settled, stamp_of

FORMAT = 1  # raised when the file's layout changes, or what is read from a run directory
MIN_RUNS = 100  # own; fewer are read in less time than one notices, and their folder stays clean

_MAGIC = b"ermlab cache\n"
_N_HEAD = len(_MAGIC) + 4  # with the checksum of the rest: length of the JSON, the JSON, Parquet
_ROW = ":row"  # column of the cached file, beside those of the table

UNSETTLED = "unsettled"  # the stamp of nothing, so that what bears it is read again
SETTINGS = "settings"  # key in the `attrs` of a frame of runs


@dataclass(frozen=True)
class Entry:
    """A row as it was read.

    Attributes:
        metrics: folder of Lightning's metrics, as in `Found`.
        files: stamp of each file that was looked at, by path relative to the folder.
    """

    metrics: str | None
    files: Mapping[str, str]

    def is_current(self, root: str) -> bool:
        """Whether each file still has its stamp."""
        return all(stamp_of(f"{root}/{path}") == stamp for path, stamp in self.files.items())


@dataclass(frozen=True)
class Table:
    """The runs of one folder.

    Attributes:
        frame: one row per run; its `attrs` name the columns that are settings for certain.
        rows: gives what the frame was made of, in the same order.
        entries: by relative path of the run directory, in the order of the rows.
    """

    frame: pd.DataFrame
    rows: Callable[[], Sequence[Row]]
    entries: Mapping[str, Entry]


@dataclass
class Cache:
    """What was kept of a folder; empty where nothing was, or nothing that can be read.

    Attributes:
        listings: of the folders below, by relative path.
        entries: of the run directories, by relative path and in the order of the table.
    """

    listings: Mapping[str, Listing] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    settings: Sequence[str] = ()
    _body: memoryview = field(default_factory=lambda: memoryview(b""))

    def frame(self) -> pd.DataFrame:
        """Give the table that was made of all rows."""
        file = pq.ParquetFile(pa.BufferReader(self._body))
        names = [name for name in file.schema_arrow.names if name != _ROW]
        frame: pd.DataFrame = file.read(columns=names).to_pandas()
        frame.attrs = {SETTINGS: list(self.settings)}
        return frame

    def rows(self) -> dict[str, Row]:
        """Give each row as it was read, by relative path of its run directory."""
        table = pq.read_table(pa.BufferReader(self._body), columns=[_ROW])
        rows = (Row(**json.loads(text)) for text in table.column(_ROW).to_pylist())
        return dict(zip(self.entries, rows, strict=True))


def read_cache(root: Path) -> Cache:
    """Read the cache of a folder; an empty one if there is none, or none that is whole."""
    # Whatever is wrong with it, the run directories have the same: so no error is told.
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        content = memoryview(read_bytes(root / rundir.CACHE))
        head, rest = content[:_N_HEAD], content[_N_HEAD:]
        if head == _head(rest):
            size = int.from_bytes(rest[:8], "big")
            return _unpack(json.loads(bytes(rest[8 : 8 + size])), rest[8 + size :])
    return Cache()


class CacheWriter:
    """Writes the cache of a folder, unless that cannot be written.

    What changed shortly before it was read counts as unknown, since it may have changed once more
    without a new stamp. The time is asked of the file system, whose clock may be another one.

    Args:
        root: the folder.
        began_ns: `time.monotonic_ns()` before the first folder was listed.
    """

    def __init__(self, root: Path, began_ns: int) -> None:
        self._path = root / rundir.CACHE
        self._began_ns: int | None = None  # by the clock of the file system
        clock = self._path.with_name(f"{rundir.CACHE}.{os.getpid()}.clock")
        with suppress(OSError):
            clock.write_bytes(b"")
            passed_ns = time.monotonic_ns() - began_ns
            self._began_ns = clock.stat().st_mtime_ns - passed_ns
            clock.unlink()

    def write(self, table: Table, listings: Mapping[str, Listing]) -> None:
        """Keep a table, by rename, so that another process sees the old cache or this one.

        Args:
            table: what was read.
            listings: of the folders, by relative path.
        """
        if self._began_ns is None or _ROW in table.frame.columns:
            return
        folders = {
            path: [self._settled_folder(path, listings), sorted(each.names)]
            for path, each in listings.items()
            if path  # writing the cache changes the folder itself
        }
        runs = [
            [path, entry.metrics, {name: self._settled(s) for name, s in entry.files.items()}]
            for path, entry in table.entries.items()
        ]
        settings = table.frame.attrs[SETTINGS]
        meta = {"format": FORMAT, "folders": folders, "runs": runs, "settings": settings}
        texts = [json.dumps(vars(row)) for row in table.rows()]
        with suppress(pa.ArrowException, RunDirError):
            kept = pa.Table.from_pandas(table.frame, preserve_index=False)
            kept = kept.append_column(_ROW, pa.array(texts, pa.large_string()))
            sink = pa.BufferOutputStream()
            pq.write_table(kept, sink)
            about = json.dumps(meta).encode("ascii")
            rest = len(about).to_bytes(8, "big") + about + sink.getvalue().to_pybytes()
            rundir.write_bytes(self._path, _head(rest) + rest)

    def _settled_folder(self, path: str, listings: Mapping[str, Listing]) -> str:
        # A folder that could not be listed may be readable next time, without a change of this one.
        listing = listings[path]
        is_whole = all(f"{path}/{name}" in listings for name in listing.folders)
        return self._settled(listing.stamp) if is_whole else UNSETTLED

    def _settled(self, stamp: str) -> str:
        assert self._began_ns is not None, "write returns early without a clock"
        is_kept = stamp in (ABSENT, UNSETTLED) or is_settled(stamp, self._began_ns)
        return stamp if is_kept else UNSETTLED


def _head(rest: bytes | memoryview) -> bytes:
    return _MAGIC + zlib.crc32(rest).to_bytes(4, "big")


def _unpack(meta: Any, body: memoryview) -> Cache:
    if meta["format"] != FORMAT:
        return Cache()
    inner: dict[str, list[str]] = {path: [] for path in meta["folders"]}
    for path in meta["folders"]:
        above, _, name = path.rpartition("/")
        if above:
            inner[above].append(name)
    listings = {
        path: Listing(stamp, frozenset(names), tuple(inner[path]))
        for path, (stamp, names) in meta["folders"].items()
    }
    entries = {path: Entry(metrics, files) for path, metrics, files in meta["runs"]}
    return Cache(listings, entries, meta["settings"], body)
