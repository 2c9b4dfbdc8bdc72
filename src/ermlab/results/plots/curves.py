"""The plot `curves`: loss against the step, a line for each configuration."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ermlab.errors import ConfigError
from ermlab.results.plots.groups import Group, describe_band, find_band, group_runs
from ermlab.results.plots.labels import choose_scale, describe_column
from ermlab.results.plots.palette import SERIES, STATUS_MARKS
from ermlab.results.plots.picture import LINEAR, LOG, Axis, Line, Mark, Panel, Picture, Points
from ermlab.results.plots.subject import Subject

MOST_NAMED = 6  # own; more curves than colours are told apart by nobody
N_BEST = 4  # own; of more groups these are named, and the rest is background
_NO_RESULT = ("run_dir", "step", "epoch", "wall_s")
ROOM = 3.0  # own; a loss this many times the highest of the runs that went well is beyond the axis

_Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def describe_curves(subject: Subject) -> Picture:
    """Describe the learning curves of runs.

    A group's curve is the mean over its runs that did not diverge, at the steps at which all of
    them have a finite loss. Where a run diverged, was pruned or failed, its end is marked.

    Raises:
        ConfigError: no run has a finite loss in its history.
    """
    column = _choose_column(subject)
    x_name = _choose_x(subject)
    curves = _read_curves(subject, x_name, column)
    finite = {place: curve for place, curve in curves.items() if len(curve[1])}
    if not finite:
        raise ConfigError(
            "no run has a finite loss in its history",
            where=f"history.csv, column {column}",
            fix="train for at least one validation, or smaller steps",
        )
    groups = group_runs(subject.runs, subject.results, subject.varying, is_loss=subject.is_loss)
    top = _find_top(subject, finite)
    shown = np.concatenate([curve[1] for curve in finite.values()])
    shown = shown[shown <= top]
    scale = choose_scale(shown, is_searched=False)
    limits = _limits(shown, top, scale)
    statuses = subject.runs["status"].tolist()
    marks: list[Mark] = []
    for place, group in reversed(list(enumerate(groups))):
        if line := _draw_group(group, finite, statuses, place, len(groups), top):
            marks.append(line)
    marks += _mark_ends(subject, curves, limits[1])
    label = describe_column(subject.runs, column)
    y = Axis(label=label, scale=scale, limits=limits)
    x = Axis(label=describe_column(subject.runs, x_name))
    named = "" if len(groups) <= MOST_NAMED else f"the {N_BEST} best of {len(groups)} named"
    note = "; ".join(filter(None, [named, describe_band([len(group.rows) for group in groups])]))
    return Picture(
        kind="curves", title="Learning curves", panels=[Panel(x=x, y=y, marks=marks)], note=note
    )


def _choose_column(subject: Subject) -> str:
    """Choose what is drawn: the objective, or else the first loss, or else any number."""
    history = subject.history
    names = [str(name) for name in history if name not in _NO_RESULT]
    losses = [name for name in names if "loss" in name]
    wanted = [subject.objective, "valid_loss", "train_loss", *losses, *names]
    found = [name for name in wanted if name in history and history[name].notna().any()]
    return found[0] if found else subject.objective


def _choose_x(subject: Subject) -> str:
    if "step" not in subject.history:
        return "epoch"
    # Runs of other batch sizes make other numbers of steps of the same epochs.
    if "epoch" not in subject.history or subject.history["epoch"].isna().any():
        return "step"
    rows = subject.runs["loop.batch_size"] if "loop.batch_size" in subject.runs else pd.Series([])
    return "epoch" if rows.nunique() > 1 else "step"


def _read_curves(subject: Subject, x_name: str, column: str) -> dict[int, _Curve]:
    """Read the finite part of each run's history, by the run's place in the frame."""
    if column not in subject.history or x_name not in subject.history:
        return {}
    places = {run_dir: place for place, run_dir in enumerate(subject.runs["run_dir"])}
    curves = {}  # a run that was never finite has an empty one
    for run_dir, rows in subject.history.groupby("run_dir", sort=False):
        x, y = rows[x_name].to_numpy(dtype=float), rows[column].to_numpy(dtype=float)
        kept = np.isfinite(x) & np.isfinite(y)
        if run_dir in places and len(rows):
            curves[places[run_dir]] = (x[kept], y[kept]) if kept.any() else (x[:1], y[:0])
    return curves


def _find_top(subject: Subject, curves: dict[int, _Curve]) -> float:
    """Find the highest loss worth showing: a run that diverges must not flatten the others."""
    good = [place for place in curves if np.isfinite(subject.results.iloc[place])]
    if good:
        highest = max(float(curves[place][1].max()) for place in good)
    else:
        highest = max(float(curve[1][0]) for curve in curves.values())
    everything = max(float(curve[1].max()) for curve in curves.values())
    return everything if everything <= ROOM * abs(highest) else ROOM * abs(highest)


def _draw_group(
    group: Group, curves: dict[int, _Curve], statuses: list[str], place: int, n: int, top: float
) -> Line | None:
    rows = [row for row in group.rows if row in curves]
    rows = [row for row in rows if statuses[row] != "diverged"] or rows
    if not rows:
        return None
    steps = set(curves[rows[0]][0].tolist())
    steps = steps.intersection(*(curves[row][0].tolist() for row in rows))
    x = np.array(sorted(steps))
    y = np.array([curves[row][1][np.isin(curves[row][0], x)] for row in rows])
    low, high = find_band(y)
    mean = y.mean(axis=0)
    if (mean > top).any():  # leaves the picture: the line goes up to the edge and ends there
        n_shown = int(np.argmax(mean > top)) + 1
        x, low, high = x[:n_shown], low[:n_shown], high[:n_shown]
        mean = np.minimum(mean[:n_shown], ROOM * top)  # 1e300 would overflow a picture
    is_main = n <= MOST_NAMED or place < N_BEST
    colour = SERIES[place] if is_main else "muted"
    return Line(
        x=tuple(x.tolist()), y=tuple(mean.tolist()), low=low if is_main else (),
        high=high if is_main else (), name=group.name, colour=colour, is_main=is_main,
    )  # fmt: skip


def _mark_ends(subject: Subject, curves: dict[int, _Curve], top: float) -> list[Mark]:
    names = subject.runs["run_dir"].tolist()
    statuses = subject.runs["status"].tolist()
    marks: list[Mark] = []
    for status in ("diverged", "failed", "pruned", "unfinished"):
        rows = [row for row in curves if statuses[row] == status]
        ends = [_end(curves[row], top) for row in rows]
        if ends:
            colour, symbol = STATUS_MARKS[status]
            x, y = zip(*ends, strict=True)
            texts = tuple(f"{names[row].rpartition('/')[2]}: {status}" for row in rows)
            marks.append(Points(x=x, y=y, texts=texts, name=status, colour=colour, symbol=symbol))
    return marks


def _end(curve: _Curve, top: float) -> tuple[float, float]:
    x, y = curve
    if not len(y):  # never finite: at its first validation, beyond the axis
        return float(x[0]), top
    above = np.flatnonzero(y > top)
    place = int(above[0]) if len(above) else len(y) - 1
    return float(x[place]), min(float(y[place]), top)


def _limits(shown: NDArray[np.float64], top: float, scale: str) -> tuple[float, float]:
    low, high = float(shown.min()), float(min(shown.max(), top))
    if scale == LOG:
        room = (high / low) ** 0.06
        return low / room, high * room
    assert scale == LINEAR, scale
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    return low - room, high + room
