"""The table of a report: one row for each run, with what it shows and what it sorts by."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from ermlab.results.fold import Fold, fold_columns, shorten_run_dirs
from ermlab.results.plots.labels import is_number
from ermlab.results.select import select_runs
from ermlab.results.table import cell_text, escape_controls


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        text: what is shown.
        value: all digits of a number, to sort by; empty for text and for a missing value.
        link: where the cell leads; empty for nowhere.
    """

    text: str
    value: str = ""
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class RunTable:
    """All runs, best first.

    Attributes:
        columns: names with whether they hold numbers.
        rows: cells of each run.
        statuses: of each run.
        winners: whether each run belongs to the winner.
        same: keys that are equal in all runs, with their value.
    """

    columns: list[tuple[str, bool]]
    rows: list[list[Cell]]
    statuses: list[str]
    winners: list[bool]
    same: list[tuple[str, str]]


def make_run_table(runs: pd.DataFrame, winners: list[int], *, folder: Path) -> RunTable:
    """Make the table of the columns in which runs differ.

    Args:
        runs: one row per run.
        winners: places of the winner's runs.
        folder: where the report will be, from which links lead to the run directories.
    """
    fold: Fold = fold_columns(runs)
    twins = {name for name in fold.swept if _repeats_seed(runs, name)}
    chosen = ["run_dir", *(each for each in fold.swept if each not in twins), *fold.results]
    ordered = select_runs(runs)
    won = set(runs["run_dir"].iloc[winners])
    short = shorten_run_dirs(ordered[["run_dir"]])["run_dir"]
    columns = []
    for name in chosen:
        values = ordered[name].tolist()
        if name == "run_dir":
            links = [find_link(run_dir, folder) for run_dir in values]
            cells = [
                Cell(text=escape_controls(text), link=link)
                for text, link in zip(short, links, strict=True)
            ]
        else:
            cells = [Cell(text=cell_text(value), value=_exact(value)) for value in values]
        columns.append(cells)
    return RunTable(
        columns=[(escape_controls(name), is_number(ordered[name])) for name in chosen],
        rows=[list(row) for row in zip(*columns, strict=True)],
        statuses=[str(status) for status in ordered["status"]],
        winners=[run_dir in won for run_dir in ordered["run_dir"]],
        same=[(escape_controls(name), cell_text(value)) for name, value in fold.same.items()],
    )


def find_link(run_dir: str, folder: Path) -> str:
    """Make the address of a run directory relative to the folder of the report."""
    try:
        path = os.path.relpath(run_dir, folder)
    except ValueError:  # another drive of Windows
        return Path(run_dir).absolute().as_uri()
    # A leading ./ keeps a folder called `javascript:` a folder.
    return "./" + quote(path.replace(os.sep, "/").encode("utf-8", "surrogateescape")) + "/"


def _repeats_seed(runs: pd.DataFrame, name: str) -> bool:
    # `data.seed` follows `seed` unless it is set: the same column twice would tell nothing.
    return name.endswith(".seed") and "seed" in runs and runs[name].equals(runs["seed"])


def _exact(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return repr(value)
