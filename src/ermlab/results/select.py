"""Choosing among runs: which rows, in which order, and which columns.

Conditions are in `condition.py`. Next: `fold.py` and `table.py`, which show what was chosen.
"""

from collections.abc import Sequence

import pandas as pd

from ermlab.errors import ConfigError, name_known
from ermlab.results.condition import find_matching

OBJECTIVE = "valid_loss"  # what a sweep optimizes unless its configuration says otherwise
_LAST = ("diverged", "failed", "unfinished")  # their losses, if any, are not results


def select_runs(
    frame: pd.DataFrame,
    *,
    where: str | None = None,
    sort: str | None = None,
    top: int | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Choose rows and columns of a frame of runs.

    Args:
        frame: one row per run, as `load_runs` gives it.
        where: a condition that the rows meet (see `find_matching`); None for all rows.
        sort: column to sort by, lowest first, or with a leading `-` highest first; missing values
            come last, and equal ones stay in their order. None sorts by the objective, best
            first, and puts runs that diverged, failed or did not finish last.
        top: how many rows to keep, >= 1; None for all.
        columns: names of the columns to keep, in this order; None for all.

    Raises:
        ConfigError: a column is unknown, `top` is below 1, or the condition is wrong.
    """
    _check(frame, sort=sort, top=top, columns=columns)
    chosen = frame if where is None else frame[find_matching(frame, where)]
    if sort is None:
        chosen = _sort_by_objective(chosen)
    else:
        chosen = _sort_by(chosen, [sort.removeprefix("-")], [not sort.startswith("-")])
    chosen = chosen.head(top if top is not None else len(chosen))
    kept = list(dict.fromkeys(columns)) if columns is not None else list(frame.columns)
    return chosen[kept].reset_index(drop=True)


def objective_of(frame: pd.DataFrame) -> str:
    """Name the column that the runs optimize: a loss, lowest first, or an accuracy, highest first.

    Returns:
        What the column `objective` says if all runs agree, else `valid_loss`; `train_loss` where
        that has no value, since the simple loop does not validate.
    """
    named = list(frame["objective"].dropna().unique()) if "objective" in frame else []
    objective = str(named[0]) if len(named) == 1 else OBJECTIVE
    candidates = (objective, OBJECTIVE, "train_loss")
    return next((name for name in candidates if _has_values(frame, name)), objective)


def is_lower_better(frame: pd.DataFrame, column: str) -> bool:
    """Whether a lower value is better: not of an accuracy, nor of what a study maximizes."""
    if "direction" in frame and "objective" in frame:
        directions = frame.loc[frame["objective"] == column, "direction"].dropna().unique()
        if len(directions) == 1:
            return str(directions[0]) != "maximize"
    return not column.removesuffix("_best").removesuffix("_last").endswith(("accuracy", "acc"))


def _check(
    frame: pd.DataFrame, *, sort: str | None, top: int | None, columns: Sequence[str] | None
) -> None:
    key = [] if sort is None else [sort.removeprefix("-")]
    asked = {"--sort": key, "--columns": list(columns or [])}
    for option, names in asked.items():
        for name in names:
            if name not in frame.columns:
                raise ConfigError(
                    f"there is no column {name!r}",
                    where=option,
                    fix=f"use one of: {name_known(map(str, frame.columns))}",
                )
    if top is not None and top < 1:
        raise ConfigError(
            f"top is {top}, but must be at least 1 run", where="--top", fix="use --top 1 or more"
        )


def _sort_by_objective(frame: pd.DataFrame) -> pd.DataFrame:
    objective = objective_of(frame)
    if objective not in frame:
        return frame
    is_last = frame["status"].isin(_LAST) if "status" in frame else False
    ranked = frame.assign(**{"": is_last})
    return _sort_by(ranked, ["", objective], [True, is_lower_better(frame, objective)]).drop(
        columns=""
    )


def _sort_by(frame: pd.DataFrame, names: list[str], ascending: list[bool]) -> pd.DataFrame:
    # One stable pass per column, last column first: pandas sorts several at once unstably.
    for name, upward in reversed(list(zip(names, ascending, strict=True))):
        frame = frame.sort_values(name, ascending=upward, kind="stable", na_position="last")
    return frame


def _has_values(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and bool(frame[name].notna().any())
