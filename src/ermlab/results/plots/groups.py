"""Runs that differ in nothing but their seed, as groups with a name."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ermlab.results.plots.labels import shorten_keys
from ermlab.results.plots.picture import Numbers
from ermlab.results.table import cell_text, escape_controls

FEWEST_FOR_T = 3  # own; of two runs a t interval is twelve deviations wide and says nothing
COVERED = 0.95  # of the interval


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs of one configuration.

    Attributes:
        name: what tells it from the others: `lr=0.1, batch_size=50`.
        rows: places of its runs in the frame, at least one.
        result: mean of the runs' results; NaN if none has one.
        n_lost: runs without a result: diverged, failed or unfinished.
    """

    name: str
    rows: list[int]
    result: float
    n_lost: int


def group_runs(
    runs: pd.DataFrame, results: "pd.Series[float]", varying: list[str], *, is_loss: bool
) -> list[Group]:
    """Put runs that agree in some columns together, best group first.

    A group in which a run has no result comes after those in which all have one.

    Args:
        runs: one row per run.
        results: the objective of each run, NaN for one without.
        varying: the columns; empty makes one group of all.
        is_loss: whether the lowest result is the best.
    """
    short = shorten_keys(varying)
    found: dict[tuple[str, ...], list[int]] = {}
    cells = [[cell_text(value) for value in runs[name].tolist()] for name in varying]
    keys = zip(*cells, strict=True) if cells else iter([()] * len(runs))
    exact = list(zip(*(map(repr, runs[name].tolist()) for name in varying), strict=True))
    names: dict[tuple[str, ...], str] = {}
    for row, shown in enumerate(keys):
        key = exact[row] if exact else ()
        found.setdefault(key, []).append(row)
        said = zip(short.values(), shown, strict=True)
        names[key] = escape_controls(", ".join(f"{name}={value}" for name, value in said))
    groups = []
    for key, rows in found.items():
        values = results.iloc[rows]
        mean, n_lost = float(values.mean()), int(values.isna().sum())
        groups.append(Group(name=names[key] or "all", rows=rows, result=mean, n_lost=n_lost))
    sign = 1 if is_loss else -1
    return sorted(
        groups,
        key=lambda group: (np.isnan(group.result), group.n_lost > 0, sign * group.result),
    )


def find_band(values: NDArray[np.float64]) -> tuple[Numbers, Numbers]:
    """Find the band around a mean: its 95 % t interval, or the range of fewer than FEWEST_FOR_T.

    Args:
        values: of R runs at V validations, finite, (R, V).

    Returns:
        Lower and upper edge, (V,) each; both empty for one run.
    """
    n_runs = len(values)
    if n_runs < 2:
        return (), ()
    if n_runs < FEWEST_FOR_T:
        low, high = values.min(axis=0), values.max(axis=0)
    else:
        half = stats.sem(values, axis=0) * stats.t.ppf((1 + COVERED) / 2, n_runs - 1)
        low, high = values.mean(axis=0) - half, values.mean(axis=0) + half
    return tuple(low.tolist()), tuple(high.tolist())


def describe_band(sizes: list[int]) -> str:
    """Say what the bands of groups of these sizes show; empty where there is none."""
    most = max(sizes, default=1)
    if most < 2:
        return ""
    runs = f"{most}" if min(sizes) == most else f"{min(sizes)} to {most}"
    kind = "range" if most < FEWEST_FOR_T else "95 % t interval of the mean"
    return f"line: mean over {runs} seeds; band: {kind}"
