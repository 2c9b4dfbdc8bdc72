"""The plot `heatmap`: the objective over two keys, with the cells marked in which runs diverged."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ermlab.errors import ConfigError
from ermlab.results.plots.labels import (
    FEW,
    choose_scale,
    describe_axis,
    describe_column,
    is_number,
    place_values,
    shorten_keys,
)
from ermlab.results.plots.picture import LOG, Axis, Cells, Panel, Picture
from ermlab.results.plots.subject import Subject, check_column
from ermlab.results.table import cell_text

USUAL = (("optimizer.lr", "loop.batch_size"), ("optimizer.lr", "model.hidden_units"))
FEWEST_BINS = 8  # own; fewer hide the place of the best, more than FEW are mostly empty
GRID = 4  # own; so few different values are shown as they are, whoever chose them


@dataclass(frozen=True, kw_only=True)
class _Side:
    axis: Axis
    values: NDArray[np.float64]  # (N,) in the units of the axis
    edges: NDArray[np.float64]  # (c + 1,)


def describe_heatmap(subject: Subject, x: str | None = None, y: str | None = None) -> Picture:
    """Describe the median of the objective in each cell of a map over two keys.

    A key with up to FEW values has a column for each; one with more, or whose values a sampler
    chose, so that hardly two runs share one, has columns of equal width on its scale.

    Args:
        subject: the runs.
        x: key along the horizontal axis; None chooses.
        y: key along the vertical axis; None chooses.

    Raises:
        ConfigError: a key is unknown, or there are no two keys that vary.
    """
    x, y = _choose_keys(subject, x, y)
    n_points = len(subject.runs.drop_duplicates([x, y]))
    sides = _divide(subject, x, n_points), _divide(subject, y, n_points)
    cells = _fill(subject, *sides)
    others = [name for name in subject.varying if name not in (x, y)]
    short = shorten_keys([*subject.varying, x, y])
    over = f" over seeds and {', '.join(short[name] for name in others)}" if others else ""
    note = f"colour: median of the runs in a cell{over}; a cross: a run in it diverged"
    if any("pruned" in row for row in cells.marked):
        note += "; a diamond: all in it were pruned"
    panel = Panel(x=sides[0].axis, y=sides[1].axis, marks=[cells])
    return Picture(kind="heatmap", title="What came of each cell", panels=[panel], note=note)


def choose_pair(subject: Subject) -> tuple[str, str] | None:
    """Choose the two keys of a map: step size and batch size, or the first two that vary."""
    for pair in USUAL:
        if set(pair) <= set(subject.varying):
            return pair
    numbers = [name for name in subject.varying if is_number(subject.runs[name])]
    ordered = [*numbers, *(name for name in subject.varying if name not in numbers)]
    return (ordered[0], ordered[1]) if len(ordered) > 1 else None


def _choose_keys(subject: Subject, x: str | None, y: str | None) -> tuple[str, str]:
    for option, name in (("--x", x), ("--y", y)):
        if name is not None:
            check_column(subject, name, where=option)
    usual = choose_pair(subject)
    if x is not None and y is not None:
        chosen = (x, y)
    elif usual is None:
        only = f"only {subject.varying[0]} varies" if subject.varying else "nothing varies"
        raise ConfigError(
            f"a heat map needs two keys that vary, and {only} between these runs",
            where="--x and --y",
            fix="name two columns with --x and --y, or use --kind slice",
        )
    else:
        given = x or y
        other = next(name for name in (*usual, *subject.varying) if name != given)
        chosen = usual if given is None else (given, other) if x else (other, given)
    if chosen[0] == chosen[1]:
        raise ConfigError(
            f"both axes would show {chosen[0]}", where="--x and --y", fix="name two columns"
        )
    return chosen


def _divide(subject: Subject, name: str, n_points: int) -> _Side:
    axis = describe_axis(subject.runs, name, subject.logs)
    values = place_values(subject.runs[name])
    finite = values[np.isfinite(values)]
    on_scale = np.log10(finite) if axis.scale == LOG else finite
    unique = np.unique(on_scale)
    # On a grid each value has two points or more: one for each value of the other key.
    if not axis.names and len(unique) > max(n_points / 2, GRID):
        axis = replace(axis, ticks=())
    if axis.ticks:  # few values, or words: a column each, with its edges half way
        inner = (unique[1:] + unique[:-1]) / 2
        outer = np.diff(unique) / 2 if len(unique) > 1 else np.array([0.5])
        edges = np.array([unique[0] - outer[0], *inner, unique[-1] + outer[-1]])
    else:
        n_bins = int(np.clip(np.sqrt(len(unique)), FEWEST_BINS, FEW))
        edges = np.linspace(unique[0], unique[-1], n_bins + 1)
        edges[-1] += 1e-9 * (edges[-1] - edges[0])  # the highest value belongs to the last column
    return _Side(axis=axis, values=values, edges=10.0**edges if axis.scale == LOG else edges)


def _fill(subject: Subject, x: _Side, y: _Side) -> Cells:
    results = subject.results.to_numpy(dtype=float)
    diverged, pruned = (
        (subject.runs["status"] == status).to_numpy() for status in ("diverged", "pruned")
    )
    placed = np.isfinite(x.values) & np.isfinite(y.values)
    edges = [y.edges, x.edges]

    def count(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.histogram2d(y.values[chosen], x.values[chosen], bins=edges)[0]

    n_runs, n_diverged = count(placed), count(placed & diverged)
    marked = np.full(n_runs.shape, "", dtype=object)
    marked[n_diverged > 0] = "diverged"
    marked[(n_runs > 0) & (count(placed & pruned) == n_runs)] = "pruned"
    good = placed & np.isfinite(results)
    medians = np.full(n_runs.shape, np.nan)
    if good.any():
        medians = stats.binned_statistic_2d(
            y.values[good], x.values[good], results[good], statistic="median", bins=edges
        ).statistic
    finite = medians[np.isfinite(medians)]
    best = None
    if len(finite):
        place = np.nanargmin(medians) if subject.is_loss else np.nanargmax(medians)
        best = divmod(int(place), n_runs.shape[-1])
    texts = [
        [_describe_cell(*cell) for cell in zip(*rows, strict=True)]
        for rows in zip(medians.tolist(), n_runs.tolist(), n_diverged.tolist(), strict=True)
    ]
    return Cells(
        x_edges=tuple(x.edges.tolist()),
        y_edges=tuple(y.edges.tolist()),
        values=tuple(tuple(row) for row in medians.tolist()),
        marked=tuple(tuple(row) for row in marked.tolist()),
        texts=tuple(tuple(row) for row in texts),
        label=f"median {describe_column(subject.runs, subject.objective)}",
        scale=choose_scale(finite, is_searched=False),
        best=best,
    )


def _describe_cell(median: float, n_runs: float, n_diverged: float) -> str:
    if not n_runs:
        return "no run"
    runs = "1 run" if n_runs == 1 else f"{n_runs:.0f} runs"
    said = f"{n_diverged:.0f} of {runs} diverged" if n_diverged else runs
    return said if np.isnan(median) else f"median {cell_text(median)}, {said}"
