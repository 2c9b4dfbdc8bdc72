"""What part of an axis is shown and where its ticks stand, the same for every way of drawing."""

import numpy as np
from numpy.typing import NDArray

from ermlab.results.plots.picture import (
    LOG,
    Axis,
    Bars,
    Cells,
    Line,
    Mark,
    Numbers,
    Panel,
    Points,
    Threads,
)

ROOM = 0.04  # own; free space at either end, as a share of what is shown

NONE = "none"  # where the runs without a result stand

Limits = tuple[float, float]


def find_limits(panel: Panel) -> tuple[Limits, Limits]:
    """Find the part of the horizontal and the vertical axis that shows all marks of a panel."""
    is_map = any(isinstance(mark, Cells) for mark in panel.marks)
    n_bars = max((len(mark.starts) for mark in panel.marks if isinstance(mark, Bars)), default=0)
    x = _limits(panel.x, [_extent(mark)[0] for mark in panel.marks], room=0 if is_map else ROOM)
    if n_bars:
        x = (min(0.0, x[0] if panel.x.limits else 0.0), x[1])
        return x, (-0.7, n_bars - 0.3)
    return x, _limits(panel.y, [_extent(mark)[1] for mark in panel.marks], 0 if is_map else ROOM)


def find_axis_limits(axis: Axis, values: Numbers) -> Limits:
    """Find the part of one axis that shows some values, as `find_limits` does."""
    return _limits(axis, [values], ROOM)


def find_ticks(
    axis: Axis, limits: Limits, most: int, room: float | None = None
) -> list[tuple[float, str]]:
    """Choose round ticks, or thin those that the axis names, so that their text does not overlap.

    Args:
        axis: what is measured.
        limits: lowest and highest value shown.
        most: how many ticks have room, >= 2.
        room: how many characters have room along the axis, for ticks that it names; None where
            the texts stand above each other.

    Returns:
        Value and text of each tick within the limits, ascending.
    """
    if axis.is_ranked:
        return []
    if axis.names:
        return list(zip(axis.ticks, axis.names, strict=True))
    if axis.ticks:
        kept: list[float] = []
        span = _place(axis, limits[1]) - _place(axis, limits[0])
        for tick in axis.ticks:
            wide = 1 / most if room is None else (len(f"{tick:.6g}") + 1.5) / room
            if not kept or _place(axis, tick) - _place(axis, kept[-1]) >= span * wide:
                kept.append(tick)
    else:
        kept = _round_ticks(axis, limits, most)
    return [(tick, f"{tick:.6g}") for tick in kept]


def find_heights(panel: Panel, limits: Limits, most: int) -> list[tuple[float, str]]:
    """Choose the ticks of the vertical axis: up to the ceiling, and NONE in the strip above it."""
    if panel.ceiling is None:
        return find_ticks(panel.y, limits, most)
    middle = float(find_middles((panel.ceiling, limits[1]), panel.y)[0])
    return [*find_ticks(panel.y, (limits[0], panel.ceiling), most), (middle, NONE)]


def find_middles(edges: Numbers, axis: Axis) -> NDArray[np.float64]:
    """Find the middle of each cell between edges (c + 1,) on the scale of their axis, (c,)."""
    each = np.array(edges)
    middles = np.sqrt(each[1:] * each[:-1]) if axis.scale == LOG else (each[1:] + each[:-1]) / 2
    return np.asarray(middles)


def _round_ticks(axis: Axis, limits: Limits, most: int) -> list[float]:
    from matplotlib.ticker import LogLocator, MaxNLocator

    decades = np.log10(limits[1] / limits[0]) if axis.scale == LOG else 0.0
    if decades >= 1:
        for parts in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            locator = LogLocator(subs=parts, numticks=most)
            found = _within(np.asarray(locator.tick_values(*limits)), limits)
            if 2 <= len(found) <= most:  # there are none where a tick stands for several decades
                return list(found.tolist())
    even = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10])
    ticks = _within(np.asarray(even.tick_values(*limits)), limits)
    return [float(f"{tick:.12g}") for tick in ticks]


def _within(ticks: NDArray[np.float64], limits: Limits) -> NDArray[np.float64]:
    return ticks[(ticks >= limits[0]) & (ticks <= limits[1])]


def _place(axis: Axis, value: float) -> float:
    return float(np.log10(value)) if axis.scale == LOG else value


def _extent(mark: Mark) -> tuple[Numbers, Numbers]:
    match mark:
        case Line():
            return mark.x, (*mark.y, *mark.low, *mark.high)
        case Points():
            return mark.x, mark.y
        case Cells():
            return mark.x_edges, mark.y_edges
        case Bars():
            return (*mark.starts, *mark.ends), ()
        case Threads():
            return (), ()


def _limits(axis: Axis, values: list[Numbers], room: float) -> Limits:
    if axis.limits is not None:
        return axis.limits
    every = np.array([value for each in values for value in each], dtype=float)
    every = every[every > 0] if axis.scale == LOG else every
    if axis.names and room:  # words stand in the middle of their place; a map has its own edges
        return -0.5, len(axis.names) - 0.5
    if not len(every):
        return (0.1, 1.0) if axis.scale == LOG else (0.0, 1.0)
    low, high = float(every.min()), float(every.max())
    if axis.scale == LOG:
        factor = (high / low) ** room if high > low else 2.0
        return low / factor, high * factor
    space = room * (high - low) if high > low else (0.5 * abs(high) or 0.5)
    return low - space, high + space
