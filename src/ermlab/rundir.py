"""The run directory: which files it holds, how they are written and how they are read back.

Only this file knows the file names. `summary.json` is written last and by rename, so a directory
either has a whole one or counts as unfinished. Tables over many run directories are in `results/`.
"""

import csv
import errno
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import yaml

from ermlab import foreign
from ermlab.errors import RunDirError

FORMAT = 1  # raised when a file's layout changes; the reader still reads the older ones

SUMMARY = "summary.json"
HISTORY = "history.csv"
BEST = "best.safetensors"
LAST = "last.safetensors"
CHECKPOINT = "checkpoint.safetensors"  # only while the run is unfinished or failed
STANDARDIZATION = "standardization.json"
COLUMNS = "columns.json"  # what the model takes and gives
TRACEBACK = "traceback.txt"
CURVE = "learning_curve.png"
CONFIG = Path(".hydra") / "config.yaml"
HYDRA_CONFIG = Path(".hydra") / "hydra.yaml"
OVERRIDES = Path(".hydra") / "overrides.yaml"
STUDY = "study.jsonl"
PRUNER = ".pruner.json"  # of a sweep that prunes, only while it runs
MULTIRUN = "multirun.yaml"
RESULTS_CSV = "results.csv"
RESULTS_PARQUET = "results.parquet"
CACHE = ".ermlab_cache"  # of a folder with many runs; what it holds is in results/cache.py

STATUSES = ("completed", "stopped_early", "pruned", "diverged", "failed", "unfinished")

LARGEST_SUMMARY_BYTES = 4 * 2**20  # a thousand times a usual one: more is some other file
MAX_DEPTH = 100  # own; libyaml's loader overflows the C stack at some 10,000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where it is built

Value = bool | int | float | str | None


def write_summary(run_dir: Path, summary: Mapping[str, Any]) -> None:
    """Write the summary of a finished run: whole, or not at all.

    Args:
        run_dir: the run directory, which exists.
        summary: flat columns; a number that is not finite is written as null.

    Raises:
        RunDirError: the file cannot be written.
    """
    text = json.dumps({key: _finite(value) for key, value in summary.items()}, indent=1)
    write_whole(run_dir / SUMMARY, text + "\n")


def read_summary(run_dir: Path) -> dict[str, Value] | None:
    """Read a run's summary.

    Returns:
        Its columns, or None for an unfinished run (no summary).

    Raises:
        RunDirError: the file is there but is not one that ermlab wrote, or it cannot be read.
    """
    path = run_dir / SUMMARY
    try:
        text = foreign.read_text(path, largest_bytes=LARGEST_SUMMARY_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    try:
        summary = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number too long
        raise _unreadable(path, f"it is not JSON ({error})") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("format"), int):
        raise _unreadable(path, "it has no integer `format`")
    if summary["format"] > FORMAT:
        raise RunDirError(
            f"the summary has format {summary['format']}, this ermlab reads up to {FORMAT}",
            where=str(path),
            fix="upgrade ermlab to the version that wrote it",
        )
    nested = [key for key, value in summary.items() if isinstance(value, dict | list)]
    if nested:
        raise _unreadable(path, f"its columns are not flat: {', '.join(nested[:3])}")
    if wrong := _wrong_types(summary):
        raise _unreadable(path, f"it has a value of the wrong type: {', '.join(wrong[:3])}")
    return summary


def flat_columns(config: Mapping[Any, Any]) -> dict[str, Value]:
    """Spread a nested configuration over flat columns: `{"model": {"bias": True}}` to `model.bias`.

    Args:
        config: plain containers and values. An empty mapping gives no column, and neither does a
            key such as `_target_`: the chosen option's name says it.

    Returns:
        One value per dotted key. A list becomes its JSON text, so that it fits into one cell of a
        table; a value of another type, such as a date, becomes text.
    """
    columns: dict[str, Value] = {}
    for key, value in config.items():
        if str(key).startswith("_"):
            continue
        if isinstance(value, Mapping):
            inner = flat_columns(value)
            columns |= {f"{key}.{name}": each for name, each in inner.items()}
        elif isinstance(value, list | tuple):
            columns[str(key)] = json.dumps(value, default=str)
        elif value is None or isinstance(value, bool | int | float | str):
            columns[str(key)] = value
        else:
            columns[str(key)] = str(value)
    return columns


class HistoryWriter:
    """Appends one row per validation to `history.csv`, each row whole on disk before the next.

    The columns are those of the first row. Use it as a context manager.

    Args:
        run_dir: an existing folder.
        n_kept: rows to keep of the history that is there; it has at least as many (see
            `count_rows`).
    """

    def __init__(self, run_dir: Path, n_kept: int = 0) -> None:
        self._path = run_dir / HISTORY
        self._file: TextIO | None = None
        self._columns: list[str] = []
        self.n_rows = n_kept

    def __enter__(self) -> "HistoryWriter":
        with storage_errors(self._path):
            if self.n_rows:
                lines = foreign.read_bytes(self._path).split(b"\n")[: self.n_rows + 1]
                self._columns = lines[0].decode().split(",")
                write_bytes(self._path, b"".join(line + b"\n" for line in lines))
            else:
                write_bytes(self._path, b"")
            self._file = self._path.open("a", encoding="utf-8", newline="")
        return self

    def append(self, row: Mapping[str, float]) -> None:
        """Write one row; a number that is not finite is written as `nan` or `inf`.

        Raises:
            RunDirError: the disk is full or the file cannot be written.
        """
        assert self._file is not None, "append is called inside the with block"
        with storage_errors(self._path):
            if not self._columns:
                self._columns = list(row)
                csv.writer(self._file, lineterminator="\n").writerow(self._columns)
            values = [row[column] for column in self._columns]
            self._file.write(",".join(str(value) for value in values) + "\n")
            self._file.flush()
        self.n_rows += 1

    def close(self) -> None:
        """Close the file; nothing is appended any more."""
        if self._file is not None:
            with storage_errors(self._path):
                self._file.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def count_rows(run_dir: Path) -> int:
    """Count the whole rows of a history, finished or not; 0 where there is none.

    Raises:
        RunDirError: it cannot be read.
    """
    try:
        return max(foreign.read_bytes(run_dir / HISTORY).count(b"\n") - 1, 0)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise RunDirError(
            f"cannot read the history: {error.strerror or error}",
            where=str(run_dir / HISTORY),
            fix="make it a file that you may read, or delete it",
        ) from error


def read_history(run_dir: Path) -> dict[str, list[float]]:
    """Read the history of a finished run: the values of each column, one per validation.

    Raises:
        RunDirError: there is none, or it is not one that ermlab wrote whole.
    """
    path = run_dir / HISTORY
    try:
        header, *rows = list(csv.reader(foreign.read_text(path).splitlines())) or [[]]
        columns = zip(*rows, strict=True) if rows else ([] for _ in header)
        named = zip(header, columns, strict=True)
        return {name: [float(value) for value in column] for name, column in named}
    except (OSError, ValueError, csv.Error) as error:
        raise RunDirError(
            f"cannot read the history: {error}",
            where=str(path),
            fix="train the trial again, or leave this run out",
        ) from error


def check_yaml(text: str) -> None:
    """Refuse a YAML text that Hydra never writes and that would take all memory to read.

    Raises:
        ValueError: it has an alias, or is nested deeper than MAX_DEPTH.
        yaml.YAMLError: it is not YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has a YAML alias, which Hydra never writes")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def write_whole(path: Path, text: str) -> None:
    """Write a file by rename, so that a reader sees the old content or the new, never a part.

    Raises:
        RunDirError: the disk is full or the folder cannot be written.
    """
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file by rename (see `write_whole`)."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file by rename (see `write_whole`)."""
    write_whole(path, json.dumps(content) + "\n")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path to write, then put it in the place of `path` when the block ends well.

    Raises:
        RunDirError: the disk is full or the folder cannot be written.
    """
    # Processes of several machines may write the same file, so the process number is not enough.
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with storage_errors(path):
            temporary.unlink(missing_ok=True)  # a link that waits there would be followed
            yield temporary
            temporary.replace(path)  # whole after a kill; fsync would cost more than a small trial
    except BaseException:
        with suppress(OSError):  # a folder that cannot be written has nothing to remove
            temporary.unlink()
        raise


def remove_leftovers(run_dir: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote a file."""
    names = (SUMMARY, BEST, LAST, STANDARDIZATION, COLUMNS, TRACEBACK, CHECKPOINT)
    for path in run_dir.glob("*.tmp"):
        if path.name.startswith(tuple(f"{name}." for name in names)):
            with storage_errors(path):
                path.unlink(missing_ok=True)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's error while writing `path` into one clear message."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path | str) -> RunDirError:
    """Say what hinders writing to `path`, and how to mend it."""
    fixes = {
        errno.ENOSPC: "free some space, or write elsewhere with hydra.run.dir=... "
        "(hydra.sweep.dir=... for a sweep)",
        errno.EACCES: "make the folder writable, or write elsewhere with hydra.run.dir=...",
    }
    fixes[errno.EDQUOT] = fixes[errno.EFBIG] = fixes[errno.ENOSPC]
    fixes[errno.EPERM] = fixes[errno.EROFS] = fixes[errno.EACCES]
    return RunDirError(
        f"cannot write: {error.strerror or error}",
        where=str(path),
        fix=fixes.get(error.errno or 0, "check the path and the disk, then run again"),
    )


def is_run_dir(path: Path) -> bool:
    """Whether a folder is a run directory, finished or not."""
    return (path / SUMMARY).is_file() or (path / HISTORY).is_file() or (path / CONFIG).is_file()


def _finite(value: Any) -> Any:
    # JSON has no NaN or infinity; the reader takes null for "no number".
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrong_types(summary: Mapping[str, Any]) -> list[str]:
    """Name the columns that ermlab itself reads and that hold something else."""
    words = ("status", "device", "started_at")
    texts = [key for key in words if not isinstance(summary.get(key, ""), str)]
    counts = ("stack_size", "steps", "best_step", "n_parameters", "trial", "test_reads")
    numbers = [
        key
        for key, value in summary.items()
        if (key in counts or key.endswith(("_loss", "_loss_last", "_accuracy")))
        and "." not in key
        and (isinstance(value, bool) or not isinstance(value, int | float | None))
    ]
    return texts + numbers


def _unreadable(path: Path, reason: str) -> RunDirError:
    return RunDirError(
        f"cannot read the summary: {reason}",
        where=str(path),
        fix="delete the file to show the run as unfinished, or run it again",
    )
