"""The plot `pareto`: two columns against each other, and which runs no other beats in both."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ermlab.errors import ConfigError
from ermlab.results.plots.labels import (
    choose_scale,
    describe_column,
    describe_runs,
    is_number,
    place_values,
)
from ermlab.results.plots.palette import WITHOUT_RESULT
from ermlab.results.plots.picture import LOG, Axis, Line, Panel, Picture
from ermlab.results.plots.slices import mark_statuses
from ermlab.results.plots.study import make_study
from ermlab.results.plots.subject import Subject, check_column

HIGH_IS_BEST = "accuracy"  # a column whose name ends so; of any other the lowest is the best


def describe_pareto(subject: Subject, columns: list[str]) -> Picture:
    """Describe two columns of the runs against each other, with their Pareto front.

    Args:
        subject: the runs.
        columns: two columns of numbers.

    Raises:
        ConfigError: there are not two, one is unknown or holds no numbers, or no run has both.
    """
    if len(set(columns)) != 2:
        raise ConfigError(
            f"a Pareto front needs two objectives, and {len(set(columns))} were named",
            where="--columns",
            fix="name two columns, such as --columns valid_loss,n_parameters",
        )
    for name in columns:
        check_column(subject, name, where="--columns")
        if not is_number(subject.runs[name]):
            raise ConfigError(
                f"{name} holds no numbers", where="--columns", fix="name two columns of numbers"
            )
    x, y = (place_values(subject.runs[name]) for name in columns)
    lost = subject.runs["status"].isin(WITHOUT_RESULT).to_numpy()
    usable = np.isfinite(x) & np.isfinite(y) & ~lost
    if not usable.any():
        raise ConfigError(
            f"no run has both {columns[0]} and {columns[1]}",
            where="--columns",
            fix="see which columns have values with: ermlab results DIR --format csv",
        )
    front = find_front(x, y, usable, [name.endswith(HIGH_IS_BEST) for name in columns])
    front = sorted(front, key=lambda row: x[row])
    texts = describe_runs(subject.runs, subject.varying, columns[1])
    line = Line(
        x=tuple(x[front].tolist()), y=tuple(y[front].tolist()),
        name="no run is better in both", colour="ink",
    )  # fmt: skip
    axes = [
        Axis(label=describe_column(subject.runs, name), scale=_scale(values[usable]))
        for name, values in zip(columns, (x, y), strict=True)
    ]
    shown = [_is_shown(values, axis) for values, axis in zip((x, y), axes, strict=True)]
    kept = np.where(shown[0] & shown[1], x, np.nan)
    marks = [*mark_statuses(subject, kept, y, texts), line]
    n_lost = int((~(np.isfinite(kept) & np.isfinite(y))).sum())
    note = f"{n_lost} runs lack one of the two" if n_lost else ""
    panel = Panel(x=axes[0], y=axes[1], marks=marks)
    return Picture(kind="pareto", title="Pareto front", panels=[panel], note=note)


def find_front(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    usable: NDArray[np.bool_],
    is_high_best: list[bool],
) -> list[int]:
    """Find the rows that no other row beats in both columns, as Optuna's `best_trials`."""
    import optuna

    directions: list[Literal["minimize", "maximize"]] = [
        "maximize" if high else "minimize" for high in is_high_best
    ]
    study = make_study(directions)
    rows = np.flatnonzero(usable)
    study.add_trials([optuna.create_trial(values=[x[row], y[row]]) for row in rows])
    return [int(rows[trial.number]) for trial in study.best_trials]


def _scale(values: NDArray[np.float64]) -> str:
    return choose_scale(values, is_searched=False)


def _is_shown(values: NDArray[np.float64], axis: Axis) -> NDArray[np.bool_]:
    return np.isfinite(values) & ((values > 0) | (axis.scale != LOG))
