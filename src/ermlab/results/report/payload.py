"""A picture as plain values for the page's script: the same numbers, with ticks and colours."""

import math
from typing import Any

import numpy as np

from ermlab.results.plots.palette import SHADES
from ermlab.results.plots.picture import (
    LOG,
    Axis,
    Bars,
    Cells,
    Line,
    Mark,
    Numbers,
    Panel,
    Picture,
    Points,
)
from ermlab.results.plots.scales import Limits, find_heights, find_limits, find_ticks

MOST_TICKS = 8  # own; the script leaves out those that would overlap on a narrow page
N_SHADES = 24  # own; steps of a colour bar that look smooth


def make_payload(picture: Picture) -> dict[str, Any]:
    """Put a picture into lists, numbers and text; a number that is not finite is None."""
    return {
        "kind": picture.kind,
        "title": picture.title,
        "note": picture.note,
        "panels": [_panel(panel) for panel in picture.panels],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    x_limits, y_limits = find_limits(panel)
    shared: dict[Numbers, int] = {}  # many curves have the same steps: each list stands once
    return {
        "x": _axis(panel.x, x_limits),
        "y": _axis(panel.y, y_limits) | {"ticks": find_heights(panel, y_limits, MOST_TICKS)},
        "ceiling": panel.ceiling,
        "marks": [_mark(mark, shared) for mark in panel.marks],
        "steps": list(shared),
    }


def _axis(axis: Axis, limits: Limits) -> dict[str, Any]:
    ticks = find_ticks(axis, limits, MOST_TICKS, room=math.inf)
    return {
        "label": axis.label,
        "isLog": axis.scale == LOG,
        "limits": limits,
        "ticks": ticks,
    }


def _mark(mark: Mark, shared: dict[Numbers, int]) -> dict[str, Any]:
    match mark:
        case Line():
            steps = shared.setdefault(mark.x, len(shared))
            return {
                "type": "line", "steps": steps, "y": mark.y, "low": mark.low, "high": mark.high,
                "name": mark.name, "colour": mark.colour, "isMain": mark.is_main,
            }  # fmt: skip
        case Points():
            return {
                "type": "points", "x": mark.x, "y": mark.y, "texts": mark.texts,
                "name": mark.name, "colour": mark.colour, "symbol": mark.symbol,
            }  # fmt: skip
        case Cells():
            return _cells(mark)
    assert isinstance(mark, Bars), "the report shows no parallel coordinates"
    return {
        "type": "bars", "starts": mark.starts, "ends": mark.ends, "texts": mark.texts,
        "colours": mark.colours, "labels": mark.labels,
    }  # fmt: skip


def _cells(cells: Cells) -> dict[str, Any]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    values = np.array(cells.values, dtype=float)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    place = np.log if cells.scale == LOG else np.asarray
    span = float(place(high) - place(low)) or 1.0
    shades = (place(values) - place(low)) / span if len(finite) else values
    colours = colormaps[SHADES]
    axis = Axis(label=cells.label, scale=cells.scale)
    return {
        "type": "cells",
        "xEdges": cells.x_edges,
        "yEdges": cells.y_edges,
        "values": [[_number(value) for value in row] for row in cells.values],
        "colours": [
            [None if math.isnan(shade) else to_hex(colours(shade)) for shade in row]
            for row in shades.tolist()
        ],
        "marked": cells.marked,
        "texts": cells.texts,
        "best": cells.best,
        "bar": _axis(axis, (low, high)) if len(finite) else None,
        "barColours": [to_hex(colours(i / (N_SHADES - 1))) for i in range(N_SHADES)],
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
