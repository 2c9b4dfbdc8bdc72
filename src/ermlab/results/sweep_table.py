"""The table of a finished sweep: `results.csv` and `results.parquet`, and its best runs in print.

Both files are derived from the run directories and can be written again at any time.
"""

import os
import shlex
from collections import Counter
from pathlib import Path

import pandas as pd

from ermlab import rundir
from ermlab.results.find import has_run
from ermlab.results.fold import LOSSES, describe_same, fold_columns, shorten_run_dirs
from ermlab.results.load import load_runs
from ermlab.results.select import objective_of, select_runs
from ermlab.results.table import write_table


def write_results(sweep_dir: Path) -> pd.DataFrame:
    """Write `results.csv` and `results.parquet` of a sweep from its run directories.

    Args:
        sweep_dir: the sweep directory; files of an earlier call are replaced.

    Returns:
        What the files hold: one row per run in natural order, as `load_runs` gives it, but with
        `run_dir` relative to the sweep directory, so that the files survive a move.

    Raises:
        RunDirError: the sweep has no run directory, or a file cannot be written.
    """
    frame = load_runs(sweep_dir)
    frame["run_dir"] = [os.path.relpath(run_dir, sweep_dir) for run_dir in frame["run_dir"]]
    write_table(frame, "csv", output=sweep_dir / rundir.RESULTS_CSV)
    write_table(frame, "parquet", output=sweep_dir / rundir.RESULTS_PARQUET)
    return frame


def end_sweep(sweep_dir: Path, *, objective: str | None = None) -> None:
    """Write the results of a sweep and print its best runs (see `write_results`, `print_best`).

    Does nothing for a sweep that ended before its first run began.
    """
    if not has_run(sweep_dir):
        return
    print_best(write_results(sweep_dir), objective=objective, sweep_dir=sweep_dir)


def print_best(
    frame: pd.DataFrame,
    top: int = 5,
    *,
    objective: str | None = None,
    sweep_dir: Path | None = None,
) -> None:
    """Print the best runs of a sweep: what was swept, status, losses and the objective.

    Args:
        frame: one row per run, as `write_results` or `load_runs` gives it; `run_dir` and `status`
            are among its columns.
        top: how many runs to print, >= 1.
        objective: column that the sweep optimizes; None to take it from the runs.
        sweep_dir: where the runs are, to be named beneath the table; None to leave that out.

    Raises:
        ConfigError: `top` is below 1.
    """
    frame = frame.assign(objective=objective) if objective else frame
    objective = objective_of(frame)
    fold = fold_columns(frame)
    losses = [name for name in (*LOSSES, objective) if name in fold.results]
    names = dict.fromkeys(["run_dir", *fold.swept, "status", *losses])
    best = select_runs(frame, top=top, columns=list(names))
    notes = [
        f"the {len(best)} best of {len(frame)} runs by {objective}",
        *describe_same(fold),
        *_describe_statuses(frame),
        *_describe_rest(len(frame) - len(best), sweep_dir),
    ]
    write_table(shorten_run_dirs(best), "table", notes=notes)


def _describe_statuses(frame: pd.DataFrame) -> list[str]:
    counts = Counter(str(status) for status in frame["status"].fillna("unknown"))
    if set(counts) <= {"completed"}:
        return []
    order = [*rundir.STATUSES, *sorted(set(counts) - set(rundir.STATUSES))]
    told = [f"{counts[status]} {status}" for status in order if counts[status]]
    return [f"status of {len(frame)} runs: {', '.join(told)}"]


def _describe_rest(n_more: int, sweep_dir: Path | None) -> list[str]:
    if sweep_dir is None:
        return []
    rows = "1 more row" if n_more == 1 else f"{n_more} more rows"
    shown = f"; {rows}: ermlab results {shlex.quote(str(sweep_dir))}" if n_more else ""
    return [f"sweep directory: {sweep_dir}{shown}"]
