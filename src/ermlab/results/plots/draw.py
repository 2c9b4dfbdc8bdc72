"""Draws a picture with matplotlib, for PNG and SVG: legible at the width of a printed column."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermlab.results.plots.draw_marks import draw_mark
from ermlab.results.plots.draw_text import FONT, fit_text, spread
from ermlab.results.plots.draw_threads import draw_threads
from ermlab.results.plots.palette import CELL_MARKS, COLOURS
from ermlab.results.plots.picture import (
    LOG,
    Bars,
    Cells,
    Line,
    Panel,
    Picture,
    Points,
    Threads,
)
from ermlab.results.plots.scales import find_heights, find_limits, find_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLUMN_IN, PAGE_IN = 3.5, 7.2  # inches; a column and the width of a printed page
FONT_PT = 8  # points; the smallest that is read without effort in print
DPI = 300  # dots per inch; what printers ask for
MOST_COLUMNS = 3  # own; panels beside each other on a page
LONG = 34  # own; characters of a label that do not fit beside a panel in one line
LONGEST = 150  # own; characters of a name in a legend
SHORT = 14  # own; characters of a name that has room beside its curve
GREY = "#555555"
CHARACTER_IN = 0.075  # inches; about the width of one
LINE_IN = 0.17  # inches; a line of text with the space to the next
STYLE: dict[str, Any] = {
    "font.family": FONT,
    "font.size": FONT_PT,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": FONT_PT,
    "ytick.labelsize": FONT_PT,
    "legend.fontsize": FONT_PT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.edgecolor": "#444444",
    "text.parse_math": False,  # a `$` in a user's key is a dollar sign
    "svg.hashsalt": "ermlab",  # the same picture gives the same file
}


def draw_picture(picture: Picture) -> "Figure":
    """Draw a picture as a matplotlib figure, which can be saved or shown in a notebook.

    Args:
        picture: one panel or more.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    n_columns = min(len(picture.panels), MOST_COLUMNS)
    n_rows = -(-len(picture.panels) // n_columns)
    width = PAGE_IN if _is_wide(picture) else COLUMN_IN
    note = textwrap.wrap(fit_text(picture.note), int(width * 16))
    with rc_context(STYLE):  # type: ignore[arg-type]  # it knows its keys by name
        layout = ConstrainedLayoutEngine(w_pad=0.07)  # inches; room for half a tick's text
        figure = Figure(dpi=DPI, layout=layout)
        FigureCanvasAgg(figure)
        is_named = _is_named_beside(picture)
        names = _list_names(picture, with_lines=not is_named)
        told = [textwrap.fill(fit_text(name[:LONGEST]), int(width * 13.2)) for name in names]
        beside = max(int(width * 13 / (max(map(len, told), default=1) + 5)), 1)
        n_lines = len(note) + -(-sum(name.count("\n") + 1 for name in told) // beside)
        below_in = LINE_IN * n_lines + 0.06
        above_in = _panel_height(picture) * n_rows + 0.25
        figure.set_size_inches(width, above_in + below_in)
        above, below = figure.subfigures(
            2, 1, height_ratios=[above_in, below_in], squeeze=False
        ).flat
        for place, panel in enumerate(picture.panels):
            axes = above.add_subplot(n_rows, n_columns, place + 1)
            _draw_panel(
                axes, panel, is_first=place % n_columns == 0,
                is_named=is_named, width=width / n_columns,
            )  # fmt: skip
        title = {"x": 0.01, "ha": "left", "fontsize": FONT_PT + 1, "fontweight": "bold"}
        above.suptitle(fit_text(picture.title), **title)
        if names:
            _add_names(above, below, dict(zip(names, told, strict=True)), n_columns=beside)
        below.text(0.01, 0.06 / below_in, "\n".join(note), color=GREY, va="bottom", linespacing=1.3)
        for _ in range(2):  # the first pass places the panels, the second knows their texts
            figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def save_picture(picture: Picture, path: Path, *, format: str) -> None:
    """Draw a picture into a file.

    Args:
        picture: one panel or more.
        path: where to write.
        format: png or svg.
    """
    from matplotlib import rc_context

    figure = draw_picture(picture)
    with rc_context(STYLE):  # type: ignore[arg-type]  # it knows its keys by name
        metadata = {"Date": None} if format == "svg" else None
        figure.savefig(path, format=format, metadata=metadata)


def _is_wide(picture: Picture) -> bool:
    is_parallel = any(isinstance(mark, Threads) for mark in picture.panels[0].marks)
    return len(picture.panels) > 1 or is_parallel


def _panel_height(picture: Picture) -> float:
    labelled = [mark for mark in picture.panels[0].marks if isinstance(mark, Bars) and mark.labels]
    return 0.6 + 0.24 * len(labelled[0].labels) if labelled else 2.3  # inches


def _list_names(picture: Picture, *, with_lines: bool) -> list[str]:
    """List what a legend must explain: curves from the best on, then kinds of points."""
    marks = [mark for panel in picture.panels for mark in panel.marks]
    lines = [mark.name for mark in marks if isinstance(mark, Line) and mark.is_main and with_lines]
    kinds = [mark.name for mark in marks if isinstance(mark, Points) and mark.name]
    for cells in (mark for mark in marks if isinstance(mark, Cells)):
        kinds += [each for each in CELL_MARKS if any(each in row for row in cells.marked)]
        kinds += ["best"] if cells.best else []
    names = list(dict.fromkeys([*lines[::-1], *kinds]))
    return [] if names == ["completed"] or len(lines) == len(names) == 1 else names


def _is_named_beside(picture: Picture) -> bool:
    """Whether each curve is named at its end: there are few, with short names."""
    marks = picture.panels[0].marks
    lines = [mark for mark in marks if isinstance(mark, Line) and mark.is_main]
    is_short = all(len(line.name) <= SHORT for line in lines)
    return picture.kind == "curves" and is_short and bool(lines)


def _add_names(
    above: "SubFigure", below: "SubFigure", names: dict[str, str], n_columns: int
) -> None:
    handles: dict[str, Any] = {}
    for axes in above.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    shown = [name for name in names if fit_text(name) in handles]
    below.legend(
        [handles[fit_text(name)] for name in shown], [names[name] for name in shown],
        loc="upper left", bbox_to_anchor=(0.012, 1), ncols=n_columns, frameon=False,
        handlelength=1.2, columnspacing=1.2, borderaxespad=0, borderpad=0,
    )  # fmt: skip


def _draw_panel(
    axes: "Axes", panel: Panel, *, is_first: bool, is_named: bool, width: float
) -> None:
    if any(isinstance(mark, Threads) for mark in panel.marks):
        draw_threads(axes, panel)
        return
    x_limits, y_limits = find_limits(panel)
    has_bar = any(isinstance(mark, Cells) for mark in panel.marks)
    room = (width - (1.3 if has_bar else 0.7)) / CHARACTER_IN
    axes.set_xscale("log" if panel.x.scale == LOG else "linear")
    axes.set_yscale("log" if panel.y.scale == LOG else "linear")
    axes.set_xlim(*x_limits)
    axes.set_ylim(*y_limits)
    _set_ticks(axes.xaxis, find_ticks(panel.x, x_limits, max(int(width * 1.7), 3), room))
    if sum(len(name) + 2 for name in panel.x.names) > room:
        for label in axes.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    _set_ticks(axes.yaxis, find_heights(panel, y_limits, most=12 if panel.y.ticks else 6))
    axes.set_xlabel(fit_text(panel.x.label))
    if is_first:
        axes.set_ylabel(
            fit_text(panel.y.label).replace(" [", "\n[" if len(panel.y.label) > LONG else " [")
        )
    for mark in panel.marks:
        draw_mark(axes, mark, panel)
    main = [mark for mark in panel.marks if isinstance(mark, Line) and mark.is_main]
    if is_named:
        _name_beside(axes, main)
    if panel.ceiling is not None:
        axes.axhline(panel.ceiling, color=GREY, linewidth=0.6, linestyle=":")
    is_plain = any(isinstance(mark, Line | Points) for mark in panel.marks)
    if is_plain and not any(isinstance(mark, Bars) for mark in panel.marks):
        axes.grid(visible=True, color="#E4E4E4", linewidth=0.5)
        axes.set_axisbelow(True)


def _set_ticks(side: Any, ticks: list[tuple[float, str]]) -> None:
    from matplotlib.ticker import NullLocator

    side.set_ticks([value for value, _ in ticks], [fit_text(text) for _, text in ticks])
    side.set_minor_locator(NullLocator())


def _name_beside(axes: "Axes", lines: list[Line]) -> None:
    to_axes = (axes.transScale + axes.transLimits).transform
    ends = [float(to_axes((line.x[-1], line.y[-1]))[1]) for line in lines]
    for line, height in zip(lines, spread(ends, gap=0.08), strict=True):
        axes.annotate(
            fit_text(line.name), (1.015, height), xycoords="axes fraction", va="center",
            color=COLOURS[line.colour], annotation_clip=False,
        )  # fmt: skip
