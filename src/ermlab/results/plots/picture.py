"""A picture as data: panels with axes, and on them lines, points, cells and bars.

The kinds of plot (`curves.py`, `slices.py`, ...) describe what is to be seen, in numbers that a
test can read. `draw.py` draws a description with matplotlib, `draw_html.py` with plotly, and the
report's page with a script of its own, so that the same plot looks the same everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Numbers: TypeAlias = tuple[float, ...]

LINEAR, LOG = "linear", "log"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What an axis measures.

    Attributes:
        label: words with the unit.
        scale: LINEAR or LOG.
        ticks: where to put ticks; empty leaves that to the drawing library.
        names: text of each of the ticks; empty for the numbers themselves.
        limits: lowest and highest value shown; None to show all.
        is_ranked: whether the places only tell an order, so that ticks would say nothing.
    """

    label: str
    scale: str = LINEAR
    ticks: Numbers = ()
    names: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    is_ranked: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve, with a band around it where `low` and `high` are given.

    Attributes:
        x: finite, (V,).
        y: finite, (V,).
        low: lower edge of the band, (V,), or empty.
        high: upper edge of the band, (V,), or empty.
        name: what it is, for a reader who points at it.
        colour: a key of `palette.COLOURS`.
        is_main: whether it is to be read (and named beside its end), or is background.
    """

    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    name: str
    colour: str
    is_main: bool = True


@dataclass(frozen=True, kw_only=True)
class Points:
    """Marks of one kind.

    Attributes:
        x: finite, (P,).
        y: finite, (P,).
        texts: what each point is, (P,), for a reader who points at it.
        name: of the kind, for the legend; empty for none.
        colour: a key of `palette.COLOURS`.
        symbol: a key of `palette.SYMBOLS`.
    """

    x: Numbers
    y: Numbers
    texts: tuple[str, ...]
    name: str
    colour: str
    symbol: str


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A map of values over two axes, `c` columns by `r` rows.

    Attributes:
        x_edges: ascending, (c + 1,).
        y_edges: ascending, (r + 1,).
        values: row by row from the bottom, (r, c); NaN where there is none.
        marked: what a mark says of a cell, (r, c): "diverged" if a run in it did, "pruned" if each
            run in it was, or "".
        texts: what each cell holds, (r, c).
        label: of the values, with the unit.
        scale: of the colours, LINEAR or LOG.
        best: row and column of the best cell, or None.
    """

    x_edges: Numbers
    y_edges: Numbers
    values: tuple[Numbers, ...]
    marked: tuple[tuple[str, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    label: str
    scale: str
    best: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars, one for each row 0, 1, ... from the bottom.

    Attributes:
        starts: left ends, (N,).
        ends: right ends, (N,).
        texts: what each bar is, (N,).
        colours: keys of `palette.COLOURS`, (N,).
        labels: text beside the right end of each bar, (N,), or empty.
    """

    starts: Numbers
    ends: Numbers
    texts: tuple[str, ...]
    colours: tuple[str, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Threads:
    """Lines across parallel axes, one thread for each of N runs.

    Attributes:
        axes: D axes, each with ticks and names where it has a scale of words.
        heights: value of each run on each axis, (D, N), on the axis' scale.
        shades: what colours a thread, (N,) in [0, 1]; NaN for a run without result.
        texts: what each thread is, (N,).
    """

    axes: tuple[Axis, ...]
    heights: tuple[Numbers, ...]
    shades: Numbers
    texts: tuple[str, ...]


Mark: TypeAlias = Line | Points | Cells | Bars | Threads


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes with what is drawn on it.

    Attributes:
        x: the horizontal axis.
        y: the vertical axis.
        marks: drawn in this order.
        ceiling: above this height stand the runs without a result; None where there are none.
    """

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    ceiling: float | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A whole picture.

    Attributes:
        kind: a key of `command.KINDS`.
        title: what is to be seen, in a few words.
        panels: side by side, with the same height.
        note: a line beneath, for what the picture alone would not tell; or empty.
    """

    kind: str
    title: str
    panels: Sequence[Panel]
    note: str = field(default="")
