"""Draws one mark of a picture on matplotlib axes: a line, points, cells or bars."""

from typing import TYPE_CHECKING

import numpy as np

from ermlab.results.plots.draw_text import fit_text
from ermlab.results.plots.palette import CELL_MARKS, COLOURS, SHADES, STATUS_MARKS, SYMBOLS
from ermlab.results.plots.picture import LOG, Axis, Bars, Cells, Line, Mark, Panel, Points
from ermlab.results.plots.scales import find_middles, find_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW_POINTS = 15  # own; so few points are shown as points, of which one alone is no line
MANY_BARS = 40  # own; more bars touch each other, without a gap between


def draw_mark(axes: "Axes", mark: Mark, panel: Panel) -> None:
    """Draw a mark on axes whose scales and limits are set; threads are drawn by `draw_threads`."""
    match mark:
        case Line():
            _draw_line(axes, mark)
        case Points():
            _draw_points(axes, mark)
        case Cells():
            _draw_cells(axes, mark, panel)
        case Bars():
            _draw_bars(axes, mark)


def _draw_line(axes: "Axes", line: Line) -> None:
    colour = COLOURS[line.colour]
    if line.low:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
    is_main = line.is_main
    axes.plot(
        line.x, line.y, color=colour, label=fit_text(line.name) if is_main else "_",
        linewidth=1.4 if is_main else 0.5, alpha=1.0 if is_main else 0.5,
        marker="o" if is_main and len(line.x) <= FEW_POINTS else "", markersize=2.5,
    )  # fmt: skip


def _draw_points(axes: "Axes", points: Points) -> None:
    is_ring, is_cross = points.symbol == "ring", points.symbol == "cross"
    colour = COLOURS[points.colour]
    axes.plot(
        points.x, points.y, linestyle="", marker=SYMBOLS[points.symbol][0],
        label=fit_text(points.name) or "_",
        markersize=7.0 if is_ring else 4.5 if is_cross else 3.6,
        markerfacecolor="none" if is_ring else colour, markeredgecolor=colour,
        markeredgewidth=1.2 if is_ring or is_cross else 0.0,
        alpha=1.0 if is_ring or is_cross else 0.7, zorder=3,
        clip_on=not points.x,  # an empty one would disturb the layout
    )  # fmt: skip


def _draw_cells(axes: "Axes", cells: Cells, panel: Panel) -> None:
    values = np.ma.masked_invalid(np.array(cells.values))
    axes.set_facecolor("#EFEFEF")
    axes.spines[["left", "bottom"]].set_visible(False)
    if values.count():
        _shade_cells(axes, cells, values)
    for status in CELL_MARKS:
        _mark_cells(axes, cells, panel, status)
    if cells.best is not None:
        _frame_cell(axes, cells, *cells.best)


def _shade_cells(
    axes: "Axes", cells: Cells, values: "np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]"
) -> None:
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(values.min()), float(values.max())
    norm = (LogNorm if cells.scale == LOG else Normalize)(low, high)
    mesh = axes.pcolormesh(
        cells.x_edges, cells.y_edges, values, cmap=SHADES, norm=norm,
        edgecolors="white", linewidth=0.6,
    )  # fmt: skip
    figure = axes.get_figure()
    assert figure is not None, "the axes are on a figure"
    bar = figure.colorbar(mesh, ax=axes, aspect=25, pad=0.03)
    bar.outline.set_visible(False)
    bar.set_label(fit_text(cells.label))
    ticks = find_ticks(Axis(label=cells.label, scale=cells.scale), (low, high), 5)
    bar.set_ticks([value for value, _ in ticks], labels=[text for _, text in ticks])
    bar.ax.minorticks_off()


def _mark_cells(axes: "Axes", cells: Cells, panel: Panel, status: str) -> None:
    from matplotlib import patheffects

    rows, columns = np.nonzero(np.array(cells.marked) == status)
    if not len(rows):
        return
    x = find_middles(cells.x_edges, panel.x)[columns]
    y = find_middles(cells.y_edges, panel.y)[rows]
    colour, symbol = STATUS_MARKS[status]
    (marks,) = axes.plot(
        x, y, linestyle="", marker=SYMBOLS[symbol][0], markersize=4.5 if symbol == "cross" else 3.2,
        markeredgewidth=1.2, color=COLOURS[colour], label=status,
    )  # fmt: skip
    marks.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="white")])


def _frame_cell(axes: "Axes", cells: Cells, row: int, column: int) -> None:
    left, right = cells.x_edges[column : column + 2]
    low, high = cells.y_edges[row : row + 2]
    x, y = (left, right, right, left, left), (low, low, high, high, low)
    axes.plot(x, y, color="white", linewidth=2.8, clip_on=False, solid_joinstyle="miter")
    axes.plot(x, y, color=COLOURS["ink"], linewidth=1.2, clip_on=False, label="best")


def _draw_bars(axes: "Axes", bars: Bars) -> None:
    places = np.arange(len(bars.starts))
    is_dense = len(places) > MANY_BARS
    axes.barh(
        places, np.array(bars.ends) - np.array(bars.starts), left=bars.starts,
        height=1.0 if is_dense else 0.72, color=[COLOURS[colour] for colour in bars.colours],
        linewidth=0,
    )  # fmt: skip
    for place, end, label in zip(places, bars.ends, bars.labels, strict=bool(bars.labels)):
        axes.annotate(
            label, (end, place), xytext=(3, 0), textcoords="offset points", va="center",
            annotation_clip=False,
        )  # fmt: skip
    axes.tick_params(axis="y", length=0)
