"""Draws parallel coordinates with matplotlib: one axis beside the other, a thread for each run."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ermlab.results.plots.draw_text import fit_text
from ermlab.results.plots.palette import COLOURS, SHADES
from ermlab.results.plots.picture import LOG, Axis, Numbers, Panel, Threads
from ermlab.results.plots.scales import NONE, Limits, find_axis_limits, find_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#444444"
BOX = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0}


def draw_threads(axes: "Axes", panel: Panel) -> None:
    """Draw the threads of a panel, the best ones last; runs without result are dashed.

    Args:
        axes: where to draw; their own ticks and labels are taken away.
        panel: its first mark is drawn.
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    threads = panel.marks[0]
    assert isinstance(threads, Threads), "asked for by the caller"
    places = np.arange(len(threads.axes))
    limits = [
        find_axis_limits(axis, values)
        for axis, values in zip(threads.axes, threads.heights, strict=True)
    ]
    drawn = zip(threads.axes, threads.heights, limits, strict=True)
    heights = np.array([share(axis, values, each) for axis, values, each in drawn])  # (D, N)
    shades = np.array(threads.shades)
    lost = np.isnan(shades)
    order = np.argsort(-shades, kind="stable")
    order = order[~lost[order]]  # worst first, so that the best lie on top
    ends = [list(zip(places, heights[:, row], strict=True)) for row in order]
    colours = colormaps[SHADES](shades[order])
    axes.add_collection(LineCollection(ends, colors=colours, linewidths=0.9, alpha=0.85))
    ends = [list(zip(places, heights[:, row], strict=True)) for row in np.flatnonzero(lost)]
    dashed = LineCollection(
        ends, colors=COLOURS["vermilion"], linewidths=0.7, linestyles="--", alpha=0.8
    )
    axes.add_collection(dashed)
    for place, axis, each in zip(places, threads.axes, limits, strict=True):
        is_last = place == places[-1]
        ticks = find_ticks(axis, each, 6)
        if is_last and panel.ceiling is not None:
            ticks = [tick for tick in ticks if tick[0] < panel.ceiling]
            ticks.append((max(threads.heights[-1]), NONE))
        _draw_axis(axes, float(place), axis, each, ticks, side=1 if is_last else -1)
    axes.set(xlim=(-0.35, places[-1] + 0.4), ylim=(-0.02, 1.02), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def share(axis: Axis, values: Numbers, limits: Limits) -> NDArray[np.float64]:
    """Give the height of values between the limits of their axis, 0 for the lowest and 1."""
    shown, (low, high) = np.array(values, dtype=float), limits
    if axis.scale == LOG:
        shown, low, high = np.log10(shown), np.log10(low), np.log10(high)
    return np.asarray((shown - low) / (high - low))


def _draw_axis(
    axes: "Axes",
    place: float,
    axis: Axis,
    limits: Limits,
    ticks: list[tuple[float, str]],
    *,
    side: int,
) -> None:
    axes.plot([place, place], [0, 1], color=GREY, linewidth=0.8, zorder=3)
    heights = share(axis, tuple(value for value, _ in ticks), limits)
    for height, (_, text) in zip(heights, ticks, strict=True):
        axes.plot(
            [place, place + 0.02 * side], [height, height], color=GREY, linewidth=0.8, zorder=3
        )
        axes.annotate(
            fit_text(text), (place + 0.03 * side, height), va="center", zorder=4,
            ha="left" if side > 0 else "right",
            bbox=BOX,
        )  # fmt: skip
    label = fit_text(axis.label).replace(" [", "\n[")
    axes.annotate(
        label, (place, 0), xytext=(0, -6), textcoords="offset points", ha="center", va="top",
        annotation_clip=False,
    )  # fmt: skip
