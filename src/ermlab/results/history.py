"""Histories: the files of many runs, parsed together into one frame.

Files with the same columns are parsed at once, for a call of pandas costs as much as a file.
"""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ermlab.foreign import read_bytes
from ermlab.results.foreign import own_name

HISTORY_COLUMNS = ("step", "epoch", "train_loss", "valid_loss", "wall_s")  # of a frame without rows

_LOG = logging.getLogger(__name__)
_PLACE = ":place"

_Group = list[tuple[int, list[str]]]


def parse_histories(files: Sequence[tuple[Path, bool]]) -> tuple["np.ndarray", pd.DataFrame]:
    """Parse the histories of runs.

    Args:
        files: for each run the file, and whether it is one of Lightning's metrics: their rows of
            one step are joined to one, and losses get our names. A file that does not exist, or
            (with a warning) cannot be read, has no rows.

    Returns:
        For each row the number of its run, (V,), in the order of the runs; and the values.
    """
    groups: dict[tuple[tuple[str, ...], bool], _Group] = {}
    for place, (path, is_foreign) in enumerate(files):
        header, lines = _read_lines(path)
        if lines:
            groups.setdefault((header, is_foreign), []).append((place, lines))
    if not groups:
        return np.array([], dtype=int), pd.DataFrame(columns=list(HISTORY_COLUMNS))
    parts = []
    for (header, is_foreign), group in groups.items():
        part = _parse(header, group)
        parts.append(_join_steps(part) if is_foreign else part)
    frame = pd.concat(parts).sort_values(_PLACE, kind="stable", ignore_index=True)
    return frame.pop(_PLACE).to_numpy(), frame


def _join_steps(frame: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of one step, of which Lightning writes one for each that logs something."""
    if "step" not in frame:
        return frame
    joined = frame.groupby([_PLACE, "step"], as_index=False, sort=True).last()
    chosen: dict[str, str] = {}
    for name in joined.columns:
        own = own_name(name)
        if own not in chosen or name.lower().endswith("_epoch"):
            chosen[own] = name
    return joined.rename(columns={name: own for own, name in chosen.items() if own not in joined})


def _read_lines(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Read a history file's columns and its whole lines; nothing of one that has no columns."""
    try:
        text = read_bytes(path).decode("utf-8", "replace")
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
    return pd.DataFrame({_PLACE: places, **columns})
