"""Draws a picture with plotly, as one HTML file that needs no network: hover, zoom, export.

The names and texts of a run directory are escaped, since plotly takes some HTML in text.
"""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.results.plots.palette import CELL_MARKS, COLOURS, SHADES, STATUS_MARKS, SYMBOLS
from ermlab.results.plots.picture import (
    LOG,
    Axis,
    Bars,
    Cells,
    Line,
    Mark,
    Panel,
    Picture,
    Points,
    Threads,
)
from ermlab.results.plots.scales import (
    NONE,
    Limits,
    find_axis_limits,
    find_heights,
    find_limits,
    find_middles,
    find_ticks,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_COLUMNS = 3  # own; panels beside each other
HEIGHT, ROOM = 380, 130  # pixels; of a row of panels, and of title and note
# Nothing may be fetched; the script is in the file, and WebGL's part of plotly compiles functions.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:"
)


def write_page(picture: Picture, path: Path) -> None:
    """Write a picture as an HTML file: whole, or not at all.

    Raises:
        ConfigError: plotly is not installed.
        RunDirError: the file cannot be written.
    """
    figure = draw_figure(picture)
    text = figure.to_html(
        include_plotlyjs=True, include_mathjax=False, config={"displaylogo": False}
    )
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    title = f"<title>{html.escape(picture.title)}</title>"
    look = "<style>body{margin:0;font-family:sans-serif}</style>"
    head = f'<head><meta charset="utf-8">{policy}{title}{look}'
    rundir.write_whole(path, "<!DOCTYPE html>\n" + text.replace("<head>", head, 1))


def draw_figure(picture: Picture) -> "go.Figure":
    """Draw a picture as a plotly figure.

    Raises:
        ConfigError: plotly is not installed.
    """
    try:
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise ConfigError(
            "an HTML picture needs plotly, which is not installed",
            where="--output",
            fix="pip install 'ermlab[html]', or write a .png or .svg file",
        ) from error

    n_columns = min(len(picture.panels), MOST_COLUMNS)
    n_rows = -(-len(picture.panels) // n_columns)
    is_parallel = any(isinstance(mark, Threads) for mark in picture.panels[0].marks)
    kind = "domain" if is_parallel else "xy"
    figure = make_subplots(n_rows, n_columns, specs=[[{"type": kind}] * n_columns] * n_rows)
    named: set[str] = set()
    for place, panel in enumerate(picture.panels):
        row, column = divmod(place, n_columns)
        for mark in panel.marks:
            for trace in _traces(mark, panel, named):
                figure.add_trace(trace, row + 1, column + 1)
        if not is_parallel:
            _set_axes(figure, panel, row + 1, column + 1, is_first=column == 0)
    note = html.escape(picture.note)
    figure.update_layout(
        template="simple_white",
        title={"text": f"<b>{html.escape(picture.title)}</b><br><sub>{note}</sub>"},
        height=HEIGHT * n_rows + ROOM,
        font={"size": 13},
        legend={
            "orientation": "h",
            "y": -0.25 / n_rows,
            "yanchor": "top",
            "traceorder": "reversed" if picture.kind == "curves" else "normal",
        },
        margin={"t": 110 if is_parallel else 80},
        hovermode="closest",
        bargap=0.2,
    )
    return figure


def _set_axes(figure: "go.Figure", panel: Panel, row: int, column: int, *, is_first: bool) -> None:
    x_limits, y_limits = find_limits(panel)
    label = panel.y.label if is_first else ""
    figure.update_xaxes(**_axis(panel.x, x_limits, panel.x.label), row=row, col=column)
    figure.update_yaxes(**_axis(panel.y, y_limits, label), row=row, col=column)
    if panel.ceiling is not None:
        line = {"width": 1, "dash": "dot", "color": "#777"}
        figure.add_hline(panel.ceiling, row=row, col=column, line=line)
        ticks = find_heights(panel, y_limits, 6)
        figure.update_yaxes(
            tickvals=[value for value, _ in ticks], ticktext=[text for _, text in ticks],
            row=row, col=column,
        )  # fmt: skip


def _axis(axis: Axis, limits: Limits, label: str) -> dict[str, Any]:
    import numpy as np

    is_log = axis.scale == LOG
    shown = [float(np.log10(each)) for each in limits] if is_log else list(limits)
    settings: dict[str, Any] = {
        "title": {"text": html.escape(label)},
        "type": "log" if is_log else "linear",
        "range": shown,
        "showgrid": not axis.names and not axis.is_ranked,
        "gridcolor": "#E4E4E4",
        "exponentformat": "power",
    }
    if is_log and np.log10(limits[1] / limits[0]) > 1:
        settings["dtick"] = 1  # powers of ten alone
    if axis.names or axis.ticks or axis.is_ranked:  # else plotly's own, which follow a zoom
        ticks = find_ticks(axis, limits, 8)
        settings["tickvals"] = [value for value, _ in ticks]
        settings["ticktext"] = [html.escape(text) for _, text in ticks]
    return settings


def _traces(mark: Mark, panel: Panel, named: set[str]) -> "list[Any]":
    match mark:
        case Line():
            return _line(mark, named)
        case Points():
            return [_points(mark, named)]
        case Cells():
            return _cells(mark, panel)
        case Bars():
            return [_bars(mark)]
        case Threads():
            return [_threads(mark, panel)]


def _is_new(name: str, named: set[str]) -> bool:
    if name in named or not name:
        return False
    named.add(name)
    return True


def _line(line: Line, named: set[str]) -> list[Any]:
    import plotly.graph_objects as go

    colour, name = COLOURS[line.colour], html.escape(line.name)
    drawn = []
    if line.low:
        drawn.append(
            go.Scatter(
                x=[*line.x, *line.x[::-1]], y=[*line.high, *line.low[::-1]], fill="toself",
                fillcolor=colour, opacity=0.18, line={"width": 0}, hoverinfo="skip",
                showlegend=False, legendgroup=name,
            )
        )  # fmt: skip
    drawn.append(
        go.Scatter(
            x=line.x, y=line.y, mode="lines", name=name, legendgroup=name,
            line={"color": colour, "width": 2 if line.is_main else 0.7},
            opacity=1 if line.is_main else 0.5,
            showlegend=line.is_main and _is_new(name, named),
            hovertemplate=f"{name}<br>%{{x:.6g}}: %{{y:.6g}}<extra></extra>",
        )
    )  # fmt: skip
    return drawn


def _points(points: Points, named: set[str]) -> Any:
    import plotly.graph_objects as go

    name, colour = html.escape(points.name), COLOURS[points.colour]
    is_open = points.symbol in ("ring", "cross")
    return go.Scatter(
        x=points.x or [None], y=points.y or [None], mode="markers", name=name, legendgroup=name,
        showlegend=_is_new(name, named), hovertext=[html.escape(text) for text in points.texts],
        hoverinfo="text", cliponaxis=False,
        marker={
            "symbol": SYMBOLS[points.symbol][1], "color": colour,
            "size": 14 if points.symbol == "ring" else 8, "opacity": 1 if is_open else 0.7,
            "line": {"color": colour, "width": 2 if is_open else 0},
        },
    )  # fmt: skip


def _cells(cells: Cells, panel: Panel) -> list[Any]:
    import numpy as np
    import plotly.graph_objects as go

    values = np.array(cells.values, dtype=float)
    is_log = cells.scale == LOG
    texts = [[html.escape(text) for text in row] for row in cells.texts]
    heat = go.Heatmap(
        x=cells.x_edges, y=cells.y_edges, z=np.log10(values) if is_log else values,
        colorscale=SHADES, hovertext=texts, hoverinfo="text", xgap=1, ygap=1,
        colorbar={"title": {"text": html.escape(cells.label), "side": "right"}} | _bar_ticks(cells),
    )  # fmt: skip
    return [heat, *_cell_marks(cells, panel)]


def _bar_ticks(cells: Cells) -> dict[str, Any]:
    import numpy as np

    values = np.array(cells.values, dtype=float)
    if cells.scale != LOG:
        return {}
    axis = Axis(label=cells.label, scale=LOG)
    ticks = find_ticks(axis, (float(np.nanmin(values)), float(np.nanmax(values))), 6)
    return {
        "tickvals": [float(np.log10(value)) for value, _ in ticks],
        "ticktext": [text for _, text in ticks],
    }


def _cell_marks(cells: Cells, panel: Panel) -> list[Any]:
    import numpy as np
    import plotly.graph_objects as go

    x, y = find_middles(cells.x_edges, panel.x), find_middles(cells.y_edges, panel.y)
    drawn = []
    for status in CELL_MARKS:
        rows, columns = np.nonzero(np.array(cells.marked) == status)
        if not len(rows):
            continue
        colour, symbol = STATUS_MARKS[status]
        shape = "x" if symbol == "cross" else SYMBOLS[symbol][1]  # a thin one is lost on a cell
        drawn.append(
            go.Scatter(
                x=x[columns], y=y[rows], mode="markers", name=status, hoverinfo="skip",
                marker={"symbol": shape, "size": 9, "color": COLOURS[colour],
                        "line": {"color": "white", "width": 1}},
            )
        )  # fmt: skip
    if cells.best is not None:
        row, column = cells.best
        left, right = cells.x_edges[column : column + 2]
        low, high = cells.y_edges[row : row + 2]
        drawn.append(
            go.Scatter(
                x=[left, right, right, left, left], y=[low, low, high, high, low], mode="lines",
                name="best", hoverinfo="skip", line={"color": COLOURS["ink"], "width": 2},
            )
        )  # fmt: skip
    return drawn


def _bars(bars: Bars) -> Any:
    import plotly.graph_objects as go

    widths = [end - start for start, end in zip(bars.starts, bars.ends, strict=True)]
    return go.Bar(
        y=list(range(len(widths))), x=widths, base=bars.starts, orientation="h",
        marker={"color": [COLOURS[colour] for colour in bars.colours], "line": {"width": 0}},
        hovertext=[html.escape(text) for text in bars.texts], hoverinfo="text", showlegend=False,
        text=bars.labels or None, textposition="outside",
    )  # fmt: skip


def _threads(threads: Threads, panel: Panel) -> Any:
    import numpy as np
    import plotly.graph_objects as go

    dimensions = []
    for axis, heights in zip(threads.axes, threads.heights, strict=True):
        limits = find_axis_limits(axis, heights)
        ticks = find_ticks(axis, limits, 8)
        if panel.ceiling is not None and axis is threads.axes[-1]:
            ticks = [tick for tick in ticks if tick[0] < panel.ceiling] + [(max(heights), NONE)]
        place = np.log10 if axis.scale == LOG else np.asarray
        dimensions.append(
            {
                "label": html.escape(axis.label),
                "values": place(np.array(heights)).tolist(),
                "range": place(np.array(limits)).tolist(),
                "tickvals": place(np.array([value for value, _ in ticks])).tolist(),
                "ticktext": [html.escape(text) for _, text in ticks],
            }
        )
    shades = np.nan_to_num(np.array(threads.shades), nan=1.0)
    return go.Parcoords(dimensions=dimensions, line={"color": shades, "colorscale": SHADES})
