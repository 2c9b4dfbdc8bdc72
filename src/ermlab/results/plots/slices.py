"""The plot `slice`: the objective against each key that varies, one panel a key."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ermlab.errors import ConfigError
from ermlab.results.plots.labels import (
    choose_scale,
    describe_axis,
    describe_column,
    describe_runs,
    place_values,
)
from ermlab.results.plots.palette import STATUS_MARKS
from ermlab.results.plots.picture import LOG, Axis, Mark, Panel, Picture, Points
from ermlab.results.plots.subject import Subject

MOST_PANELS = 6  # own; more do not fit a page at a legible size
STRIP = 0.14  # own; height of the strip for runs without result, as a share of the others' span


def describe_slices(subject: Subject) -> Picture:
    """Describe the objective of each run against each key that varies.

    Runs without a result stand in a strip above the others, marked by what became of them.

    Raises:
        ConfigError: nothing varies, or no run has a result.
    """
    if not subject.varying:
        raise ConfigError(
            "nothing varies between these runs but the seed, so there is nothing to slice by",
            where="DIR...",
            fix="name a sweep over some key, or use --kind curves",
        )
    heights = find_heights(subject)
    label = describe_column(subject.runs, subject.objective)
    y_axis = Axis(label=label, scale=heights.scale, limits=heights.limits)
    texts = describe_runs(subject.runs, subject.varying, subject.objective)
    panels = [
        Panel(
            x=describe_axis(subject.runs, name, subject.logs),
            y=y_axis,
            marks=_mark_runs(subject, name, heights, texts),
            ceiling=heights.ceiling,
        )
        for name in subject.varying[:MOST_PANELS]
    ]
    left_out = subject.varying[MOST_PANELS:]
    note = f"not shown: {', '.join(left_out)}" if left_out else ""
    return Picture(
        kind="slice", title="The best of each run against what varies", panels=panels, note=note
    )


@dataclass(frozen=True, kw_only=True)
class Heights:
    """Where each run stands on the axis of the objective.

    Attributes:
        values: (N,), finite: the result, or a height in the strip for a run without.
        ceiling: lower edge of the strip; None if each run has a result.
        limits: lowest and highest value of the axis.
        scale: of the axis.
    """

    values: NDArray[np.float64]
    ceiling: float | None
    limits: tuple[float, float]
    scale: str


def find_heights(subject: Subject) -> Heights:
    """Find where each run stands on the axis of the objective.

    Raises:
        ConfigError: no run has a result.
    """
    results = np.asarray(subject.results, dtype=np.float64)
    finite = results[np.isfinite(results)]
    if not len(finite):
        raise ConfigError(
            f"no run has a result: each one diverged, failed or did not finish "
            f"({subject.objective} is nowhere finite)",
            where="DIR...",
            fix="see what happened with: ermlab results DIR --columns run_dir,status,error",
        )
    scale = choose_scale(finite, is_searched=False)
    ends = np.array([finite.min(), finite.max()])
    low, high = np.log10(ends) if scale == LOG else ends
    span = (high - low) or abs(high) * 0.1 or 1.0
    has_strip = len(finite) < len(results)
    marks = [low - 0.05 * span, high + 0.05 * span]
    if has_strip:
        marks = [marks[0], high + (0.05 + STRIP) * span, marks[1], high + (0.05 + STRIP / 2) * span]
    places = 10.0 ** np.array(marks) if scale == LOG else np.array(marks)
    values = np.where(np.isfinite(results), results, places[-1])
    return Heights(
        values=values,
        ceiling=float(places[2]) if has_strip else None,
        limits=(float(places[0]), float(places[1])),
        scale=scale,
    )


def mark_statuses(
    subject: Subject, x: NDArray[np.float64],
    y: NDArray[np.float64], texts: tuple[str, ...],
) -> list[Mark]:  # fmt: skip
    """Mark each run at its place, by its status; a run without a place is left out."""
    statuses = np.array(subject.runs["status"].tolist(), dtype=object)
    marks: list[Mark] = []
    for status, (colour, symbol) in STATUS_MARKS.items():
        rows = np.flatnonzero((statuses == status) & np.isfinite(x) & np.isfinite(y))
        if len(rows):
            marks.append(
                Points(
                    x=tuple(x[rows].tolist()), y=tuple(y[rows].tolist()),
                    texts=tuple(texts[row] for row in rows),
                    name=status.replace("_", " "), colour=colour, symbol=symbol,
                )
            )  # fmt: skip
    return marks


def _mark_runs(subject: Subject, name: str, heights: Heights, texts: tuple[str, ...]) -> list[Mark]:
    x = place_values(subject.runs[name])
    marks = mark_statuses(subject, x, heights.values, texts)
    best = subject.best()
    if best is not None and np.isfinite(x[best]):
        at = (float(x[best]),), (float(heights.values[best]),)
        told = (texts[best],)
        marks.append(Points(x=at[0], y=at[1], texts=told, name="best", colour="ink", symbol="ring"))
    return marks
