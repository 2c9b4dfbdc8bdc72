"""The winner of a report: the configuration with the best objective, and its test result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ermlab.results.plots.groups import COVERED, group_runs
from ermlab.results.plots.subject import Subject
from ermlab.results.report.repeat import repeat_run
from ermlab.results.table import cell_text, escape_controls

SHOWN = ("train_loss", "valid_loss", "test_loss", "generalization_gap")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One column over the seeds of the winner.

    Attributes:
        name: of the column.
        n: seeds with a value, at least one.
        mean: over them.
        deviation: standard deviation (n - 1 in the denominator); NaN for one seed.
        low: lower end of the 95 % t interval of the mean; NaN for one seed.
        high: upper end.
    """

    name: str
    n: int
    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best configuration.

    Attributes:
        name: what tells it from the others.
        rows: places of its runs, one for each seed.
        results: of SHOWN and the objective, those that have values.
        n_groups: configurations that it was chosen from.
        command: what trains its first run again.
        has_test: whether the test split was read.
    """

    name: str
    rows: list[int]
    results: list[Result]
    n_groups: int
    command: str
    has_test: bool


def find_winner(subject: Subject) -> Winner | None:
    """Find the configuration with the best mean objective; None if no run has a result."""
    groups = group_runs(subject.runs, subject.results, subject.varying, is_loss=subject.is_loss)
    best = groups[0]
    if np.isnan(best.result):
        return None
    names = dict.fromkeys([*SHOWN, subject.objective, "valid_accuracy", "test_accuracy"])
    summed = [
        summarize(name, subject.runs[name].iloc[best.rows])
        for name in names
        if name in subject.runs
    ]
    results = [result for result in summed if result]
    has_test = any(result.name == "test_loss" for result in results)
    run_dir = Path(subject.runs["run_dir"].iloc[best.rows[0]])
    return Winner(
        name=best.name,
        rows=best.rows,
        results=results,
        n_groups=len(groups),
        command=escape_controls(repeat_run(run_dir, has_test=has_test)),
        has_test=has_test,
    )


def summarize(name: str, column: "pd.Series[Any]") -> Result | None:
    """Summarize a column of numbers over seeds; None if it has no value."""
    if not pd.api.types.is_numeric_dtype(column):
        return None
    values = column.to_numpy(dtype=float, na_value=np.nan)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    mean, low, high, deviation = float(values.mean()), np.nan, np.nan, np.nan
    if len(values) > 1:
        deviation = float(values.std(ddof=1))
        low, high = stats.t.interval(COVERED, len(values) - 1, loc=mean, scale=stats.sem(values))
    return Result(
        name=name, n=len(values), mean=mean, deviation=deviation, low=float(low), high=float(high)
    )


def describe_result(result: Result) -> dict[str, str]:
    """Put a result into cells: mean, interval and number of seeds."""
    several = result.n > 1
    return {
        "name": escape_controls(result.name),
        "mean": cell_text(result.mean),
        "deviation": cell_text(result.deviation) if several else "",
        "interval": f"{cell_text(result.low)} to {cell_text(result.high)}" if several else "",
        "n": str(result.n),
        "exact": repr(result.mean),
    }
