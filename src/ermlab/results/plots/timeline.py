"""The plot `timeline`: when each run trained, as bars over the time since the first began."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.results.plots.labels import describe_runs
from ermlab.results.plots.palette import STATUS_MARKS
from ermlab.results.plots.picture import Axis, Bars, Panel, Picture, Points
from ermlab.results.plots.subject import Subject

MINUTE_S, HOUR_S = 60.0, 3600.0
LONG = 3  # own; so many minutes, or hours, until the axis counts in them


@dataclass(frozen=True, kw_only=True)
class Spans:
    """When runs trained, in the order in which they began.

    Attributes:
        rows: places of the runs in the frame, (N,).
        starts: begin of training [s since the first began], (N,).
        ends: last validation [s since the first began], (N,).
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]


def describe_timeline(subject: Subject) -> Picture:
    """Describe when each run trained: a bar from its first step to its last validation.

    Raises:
        ConfigError: no run has a history.
    """
    spans = find_spans(subject)
    if not len(spans.rows):
        raise ConfigError(
            "no run got as far as its first validation, so there is nothing to put on a timeline",
            where="DIR...",
            fix="name a sweep whose runs trained, or see their errors with: ermlab results DIR",
        )
    total_s = float(spans.ends.max())
    unit_s, unit = 1.0, "seconds"
    if total_s > LONG * HOUR_S:
        unit_s, unit = HOUR_S, "hours"
    elif total_s > LONG * MINUTE_S:
        unit_s, unit = MINUTE_S, "minutes"
    # Bars count from the bottom, and the first run belongs on top.
    rows, starts, ends = spans.rows[::-1], spans.starts[::-1], spans.ends[::-1]
    runs = subject.runs.iloc[rows]
    statuses = runs["status"].tolist()
    texts = describe_runs(runs, subject.varying, subject.objective)
    stacks = runs["stack_size"].tolist() if "stack_size" in runs else [None] * len(runs)
    told = tuple(
        f"{text}, {end - start:.3g} s{_stack(size)}"
        for text, start, end, size in zip(texts, starts, ends, stacks, strict=True)
    )
    bars = Bars(
        starts=tuple((starts / unit_s).tolist()),
        ends=tuple((ends / unit_s).tolist()),
        texts=told,
        colours=tuple(STATUS_MARKS.get(status, ("muted", ""))[0] for status in statuses),
    )
    legend = [
        Points(x=(), y=(), texts=(), name=status.replace("_", " "), colour=colour, symbol="square")
        for status, (colour, _) in STATUS_MARKS.items()
        if status in statuses
    ]
    panel = Panel(
        x=Axis(label=f"time since the first run began [{unit}]"),
        y=Axis(label="runs, the first on top", is_ranked=True),
        marks=[bars, *legend],
    )
    note = "runs at the same time share a stack or have a process each"
    return Picture(kind="timeline", title="When the runs trained", panels=[panel], note=note)


def find_spans(subject: Subject) -> Spans:
    """Find when each run trained: from the start that its summary tells, as long as its history.

    A run whose summary does not tell it trained until its history was last written.
    """
    last_s: dict[str, float] = {}
    if "wall_s" in subject.history:
        longest = subject.history.groupby("run_dir")["wall_s"].max()
        last_s = {str(run_dir): float(wall_s) for run_dir, wall_s in longest.items()}
    runs = subject.runs.reindex(columns=["run_dir", "started_at"])  # earlier runs do not tell it
    rows, starts, ends = [], [], []
    for row, (run_dir, started_at) in enumerate(runs.itertuples(index=False)):
        took_s = last_s.get(run_dir)
        if took_s is None or not np.isfinite(took_s):
            continue
        start = _read_start(started_at)
        try:
            if start is None:
                start = (Path(run_dir) / rundir.HISTORY).stat().st_mtime - took_s
        except OSError:  # moved away since it was read
            continue
        rows.append(row)
        starts.append(start)
        ends.append(start + took_s)
    began, ended = np.array(starts), np.array(ends)
    first = began.min() if rows else 0.0
    order = np.lexsort((ended, began))
    places = np.array(rows, dtype=np.int64)
    return Spans(rows=places[order], starts=(began - first)[order], ends=(ended - first)[order])


def _read_start(started_at: object) -> float | None:
    """Read a time [s since 1970]; None for what is none, such as another program's text."""
    try:
        return datetime.fromisoformat(str(started_at)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _stack(size: object) -> str:
    return f", in a stack of {size}" if isinstance(size, int | float) and size > 1 else ""
