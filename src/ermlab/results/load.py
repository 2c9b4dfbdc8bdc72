"""Run directories as tidy frames: one row per run, or one row per validation of each run.

Which folders are run directories is in `find.py`, the type of a column in `tidy.py`, and runs that
never finished in `unfinished.py`. Next: `select.py`, which chooses among the rows.
"""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ermlab import foreign, rundir
from ermlab.errors import RunDirError, describe_error
from ermlab.results.find import find_run_dirs
from ermlab.results.tidy import clean_text, tidy_column
from ermlab.results.unfinished import read_config_columns
from ermlab.rundir import Value

HISTORY_COLUMNS = ("step", "epoch", "train_loss", "valid_loss", "wall_s")  # of a frame without rows

_LOG = logging.getLogger(__name__)

_Group = list[tuple[int, list[str]]]


def load_runs(*paths: Path | str) -> pd.DataFrame:
    """Load one row per run directory found at or below the given folders.

    Args:
        paths: run directories, sweep directories, or any folders above them.

    Returns:
        `run_dir`, spelled as the given path and what lies below it, then the columns of
        `summary.json`, in natural order of the paths (0, 1, 2, 10). A value that a run lacks is
        missing (NaN, or NA in columns of whole numbers and bools). A run without summary has the
        status `unfinished` and its configuration; one whose summary cannot be read has the status
        `failed` and the reason in `error`, since one torn file must not hide a thousand others.

    Raises:
        RunDirError: a path does not exist, or has no run directory.
    """
    run_dirs = find_run_dirs(paths)
    rows = [_read_run(run_dir) for run_dir in run_dirs]
    names = dict.fromkeys(["run_dir", *(name for row in rows for name in row)])
    return pd.DataFrame(
        {clean_text(name): _column(name, [row.get(name) for row in rows]) for name in names}
    )


def load_history(*paths: Path | str) -> pd.DataFrame:
    """Load one row per validation of each run directory at or below the given folders.

    Args:
        paths: as for `load_runs`.

    Returns:
        `run_dir`, as `load_runs` spells it, and the columns of `history.csv`; losses are NaN or
        infinite where they were. Runs in natural order. The unfinished last line of a killed run
        is left out; a run without history, or (with a warning) with one that may not be read, has
        no rows.

    Raises:
        RunDirError: a path does not exist, or has no run directory.
    """
    run_dirs = find_run_dirs(paths)
    groups: dict[tuple[str, ...], _Group] = {}  # one read_csv for all files with the same columns
    for place, run_dir in enumerate(run_dirs):
        header, lines = _read_lines(run_dir / rundir.HISTORY)
        if lines:
            groups.setdefault(header, []).append((place, lines))
    if not groups:
        return pd.DataFrame(columns=["run_dir", *HISTORY_COLUMNS])
    frame = pd.concat([_parse(header, group) for header, group in groups.items()])
    frame = frame.sort_values("run_dir", kind="stable", ignore_index=True)
    names = np.array([clean_text(str(run_dir)) for run_dir in run_dirs], dtype=object)
    return frame.assign(run_dir=pd.Series(names[frame["run_dir"].to_numpy()]))


def _read_run(run_dir: Path) -> dict[str, Value]:
    named: dict[str, Value] = {"run_dir": str(run_dir)}
    try:
        summary = rundir.read_summary(run_dir)
    except RunDirError as error:
        columns = read_config_columns(run_dir)
        return columns | {"status": "failed", "error": describe_error(error)} | named
    if summary is None:
        return read_config_columns(run_dir) | {"status": "unfinished"} | named
    if summary.get("status") == "failed":  # so early, perhaps, that its summary has no keys
        summary = read_config_columns(run_dir) | summary
    return summary | named


def _column(name: str, values: Sequence[Value]) -> "pd.Series[Any]":
    # Text also where no run has an error, so that `.str` works on it.
    is_empty = name == "error" and all(value is None for value in values)
    return pd.Series([None] * len(values), dtype=object) if is_empty else tidy_column(values)


def _read_lines(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Read a history file's columns and its whole lines; nothing of one that has no columns."""
    try:
        text = foreign.read_bytes(path).decode("utf-8", "replace")
    except FileNotFoundError:  # the run failed, or was killed, before its first validation
        return (), []
    except OSError as error:
        _LOG.warning("left out %s: %s", path, error.strerror or error)
        return (), []
    head, *lines = text.split("\n")[:-1] or [""]
    header = tuple(next(csv.reader([head]), []))
    if len(set(header)) < len(header):
        return (), []
    return header, [line for line in lines if line and line.count(",") == len(header) - 1]


def _parse(header: Sequence[str], group: _Group) -> pd.DataFrame:
    body = "\n".join(line for _, lines in group for line in lines)
    read = pd.read_csv(
        io.StringIO(body), names=list(header), quoting=csv.QUOTE_NONE, index_col=False,
        skip_blank_lines=False, low_memory=False,
    )  # fmt: skip
    columns: Mapping[str, object] = {
        name: pd.to_numeric(read[name], errors="coerce") for name in header if name != "run_dir"
    }
    places = np.repeat([place for place, _ in group], [len(lines) for _, lines in group])
    return pd.DataFrame({"run_dir": places, **columns})
