"""Words and scales for the axes: what a column measures, and on which scale."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from ermlab.results.plots.picture import LINEAR, LOG, Axis
from ermlab.results.table import cell_text, escape_controls

DECADES = 1.5  # own; positive numbers that span more are crowded at the left of a linear axis
FEW = 12  # own; so many different values get a tick, and a row or column of a map, each
LONGEST_TICK = 18  # own; characters of a word beside an axis
LONGEST = 60  # own; characters of a user's text that a picture has room for

_LOSSES = {
    "train_loss": "train loss",
    "valid_loss": "validation loss",
    "test_loss": "test loss",
    "test_loss_last": "test loss of the last model",
    "generalization_gap": "generalization gap",
}
_WORDS = {
    "optimizer.lr": "step size [parameter units]",
    "loop.batch_size": "batch size [rows]",
    "loop.epochs": "epochs [passes over the train split]",
    "loop.steps": "steps [updates]",
    "model.hidden_units": "hidden units",
    "model.n_layers": "layers",
    "valid_accuracy": "validation accuracy [share of rows]",
    "test_accuracy": "test accuracy [share of rows]",
    "best_step": "best step [updates, from 0]",
    "steps": "steps [updates]",
    "epochs": "epochs [passes over the train split]",
    "n_parameters": "parameters",
    "wall_s": "time [seconds]",
    "step": "step [updates, from 0]",
    "epoch": "epoch [passes over the train split]",
}


def describe_axis(frame: pd.DataFrame, name: str, logs: Iterable[str] = ()) -> Axis:
    """Describe the axis of a column.

    Args:
        frame: one row per run, with the column.
        name: of the column. One of numbers keeps them; of any other the values become the
            positions 0, 1, ... (see `place_values`) with their text beside.
        logs: columns that were searched on a log scale.
    """
    if not is_number(frame[name]):
        names = list_names(frame[name])
        ticks = tuple(map(float, range(len(names))))
        shown = tuple(plain_text(each, LONGEST_TICK) for each in names)
        return Axis(label=describe_column(frame, name), ticks=ticks, names=shown)
    values = finite_values(frame[name])
    unique = np.unique(values)
    ticks = tuple(unique.tolist()) if 0 < len(unique) <= FEW else ()
    is_searched = name in logs or bool(ticks and _is_geometric(unique))
    scale = choose_scale(values, is_searched=is_searched)
    return Axis(label=describe_column(frame, name), scale=scale, ticks=ticks)


def _is_geometric(values: NDArray[np.float64]) -> bool:
    """Whether a few ascending values are spaced more evenly by ratio than by difference."""
    if len(values) < 3 or values[0] <= 0:
        return False
    gaps, ratios = np.diff(values), np.diff(np.log(values))
    return bool(ratios.std() / ratios.mean() < gaps.std() / gaps.mean())


def describe_column(frame: pd.DataFrame, name: str) -> str:
    """Say what a column holds, with its unit: `step size [parameter units]`."""
    if name in _LOSSES:
        losses = list(frame["loss"].dropna().unique()) if "loss" in frame else []
        of = " of standardized targets" if _is_standardized(frame) else ""
        unit = f" [{str(losses[0]).replace('_', ' ')}{of}]" if len(losses) == 1 else ""
        return plain_text(_LOSSES[name] + unit)
    return _WORDS.get(name, plain_text(name))


def _is_standardized(frame: pd.DataFrame) -> bool:
    """Whether the targets of all runs were standardized, and so their losses."""
    name = "data.standardize"
    return name in frame and bool((frame[name] == "inputs_and_targets").all())


def choose_scale(values: NDArray[np.float64], *, is_searched: bool) -> str:
    """Choose LOG for positive numbers that were searched so or span more than DECADES."""
    if not len(values) or values.min() <= 0 or values.min() == values.max():
        return LINEAR
    return LOG if is_searched or np.log10(values.max() / values.min()) > DECADES else LINEAR


def place_values(column: "pd.Series[float]") -> NDArray[np.float64]:
    """Give the position of each value on the axis of its column; NaN for a missing one."""
    if is_number(column):
        return _floats(column)
    places = {name: float(i) for i, name in enumerate(list_names(column))}
    return np.array([places.get(_name(value), np.nan) for value in column.tolist()])


def list_names(column: "pd.Series[float]") -> list[str]:
    """List the different values of a column that holds no numbers, in natural order."""
    return sorted({_name(value) for value in column.dropna().tolist()})


def is_number(column: "pd.Series[float]") -> bool:
    """Whether a column holds numbers."""
    return is_numeric_dtype(column) and not is_bool_dtype(column)


def finite_values(column: "pd.Series[float]") -> NDArray[np.float64]:
    """Give the finite numbers of a column, (N,)."""
    values = _floats(column)
    return values[np.isfinite(values)]


def shorten_keys(names: Sequence[str]) -> dict[str, str]:
    """Give each key its last word, or as much of it as tells it from the others."""
    short = {}
    for name in names:
        parts = name.split(".")
        for n_parts in range(1, len(parts) + 1):
            tail = ".".join(parts[-n_parts:])
            alike = [other for other in names if f".{other}".endswith(f".{tail}")]
            if len(alike) == 1:
                break
        short[name] = tail
    return short


def describe_runs(frame: pd.DataFrame, names: Sequence[str], result: str) -> tuple[str, ...]:
    """Say in one line each what a run is and what came of it: `3: lr=0.1, completed, 0.8701`.

    Args:
        frame: one row per run.
        names: configuration columns to tell.
        result: column of the number to tell.
    """
    said: list[list[str]] = [[] for _ in range(len(frame))]
    for name, short in shorten_keys(names).items():
        for words, value in zip(said, frame[name].tolist(), strict=True):
            if not pd.isna(value):
                words.append(f"{short}={cell_text(value)}")
    for name in ("status", result):
        values = frame[name].tolist() if name in frame else [None] * len(frame)
        for words, value in zip(said, values, strict=True):
            words.append(cell_text(value) if name == "status" else f"{name} {cell_text(value)}")
    folders = [str(run_dir).rpartition("/")[2] for run_dir in frame["run_dir"]]
    told = zip(folders, said, strict=True)
    return tuple(escape_controls(f"{folder}: {', '.join(words)}") for folder, words in told)


def plain_text(text: str, longest: int = LONGEST) -> str:
    """Make a text fit for a label: one line without control characters, and cut short."""
    shown = escape_controls(text)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def _floats(column: "pd.Series[float]") -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)


def _name(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
