"""The plot `parallel`: each run as a thread across one axis a key, coloured by its result."""

import numpy as np
from scipy import stats

from ermlab.errors import ConfigError
from ermlab.results.plots.labels import describe_axis, describe_column, describe_runs, place_values
from ermlab.results.plots.picture import Axis, Panel, Picture, Threads
from ermlab.results.plots.slices import find_heights
from ermlab.results.plots.subject import Subject

MOST_AXES = 8  # own; more labels do not fit beside each other


def describe_parallel(subject: Subject) -> Picture:
    """Describe each run as a thread from key to key, and last to its result.

    The colour is the rank of the result among the runs, from 0 for the best to 1 for the worst,
    since losses crowd near the best one.

    Raises:
        ConfigError: fewer than two keys vary, or no run has a result.
    """
    if len(subject.varying) < 2:
        raise ConfigError(
            "parallel coordinates need two keys that vary, and these runs differ in "
            + (subject.varying[0] if subject.varying else "nothing but the seed"),
            where="DIR...",
            fix="use --kind slice, or name a sweep over several keys",
        )
    names = subject.varying[: MOST_AXES - 1]
    heights = find_heights(subject)
    values = [place_values(subject.runs[name]) for name in names]
    whole = np.isfinite(np.array(values)).all(axis=0)  # a thread needs a value on each axis
    results = subject.results.to_numpy(dtype=float)
    ranks = stats.rankdata(results if subject.is_loss else -results, nan_policy="omit")
    shades = (ranks - 1) / max(np.isfinite(results).sum() - 1, 1)
    texts = describe_runs(subject.runs, subject.varying, subject.objective)
    last = Axis(
        label=describe_column(subject.runs, subject.objective),
        scale=heights.scale,
        limits=heights.limits,
    )
    axes = [describe_axis(subject.runs, name, subject.logs) for name in names]
    rows = np.flatnonzero(whole)
    threads = Threads(
        axes=(*axes, last),
        heights=tuple(tuple(each[rows].tolist()) for each in (*values, heights.values)),
        shades=tuple(shades[rows].tolist()),
        texts=tuple(texts[row] for row in rows),
    )
    blank = Axis(label="")
    panel = Panel(x=blank, y=blank, marks=[threads], ceiling=heights.ceiling)
    note = "dark: best"
    if heights.ceiling is not None:
        note += "; a run that diverged, failed or did not finish ends at none"
    left_out = subject.varying[MOST_AXES - 1 :]
    note += f"; not shown: {', '.join(left_out)}" if left_out else ""
    return Picture(kind="parallel", title="Each run across all keys", panels=[panel], note=note)
