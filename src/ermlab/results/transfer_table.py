"""The table of `ermlab transfer`: losses on other data, as means where there are several seeds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ermlab.results.fold import fold_columns, shorten_run_dirs
from ermlab.results.load import load_runs
from ermlab.results.table import write_table

SEEDS = ("seed", "data.seed")


def print_transfer(run_dirs: Sequence[Path], columns: Sequence[str]) -> None:
    """Print the losses of some runs, on their own test split and on other data.

    Args:
        run_dirs: whose summaries have the columns.
        columns: names of the losses on other data.
    """
    frame = load_runs(*run_dirs)
    losses = ["test_loss", *columns]
    swept = [name for name in fold_columns(frame).swept if name not in SEEDS]
    table = mean_over_seeds(frame, by=swept, columns=losses)
    zeros = _tell_zeros(frame, columns)
    if len(table) < len(frame):
        notes = ["mean and standard deviation over the runs of each row", *zeros]
        write_table(table, "table", notes=notes)
    else:
        write_table(shorten_run_dirs(frame[["run_dir", *swept, *losses]]), "table", notes=zeros)


def _tell_zeros(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Say what loss the prediction zero has on the other data, as a mean over the runs."""
    zeros = {name: name.replace("_loss", "_zero_loss", 1) for name in columns}
    told = [f"{name} {frame[zero].mean():.4g}" for name, zero in zeros.items() if zero in frame]
    return [f"predicting zero instead: {', '.join(told)}"] if told else []


def mean_over_seeds(
    frame: pd.DataFrame, *, by: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """Give the mean and the standard deviation of some columns for each group of runs.

    Args:
        frame: one row per run.
        by: columns in which the groups differ; none makes one group.
        columns: of numbers; missing values are left out.

    Returns:
        One row per group: `by`, `runs`, and text such as `4.81 ± 0.32` for each column; a single
        run has no deviation.
    """
    groups = frame.groupby(list(by), dropna=False, sort=False) if by else [((), frame)]
    rows = []
    for values, group in groups:
        row = dict(zip(by, values, strict=True))
        row["runs"] = len(group)
        for name in columns:
            numbers = group[name].dropna().astype(float)
            spread = f" ± {numbers.std():.2g}" if len(numbers) > 1 else ""
            row[name] = f"{numbers.mean():.4g}{spread}" if len(numbers) else None
        rows.append(row)
    return pd.DataFrame(rows)
