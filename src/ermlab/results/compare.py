"""Groups of runs compared over their seeds: how good each is, and which are worse than the best.

The groups are made in `groups.py`, the numbers in `statistics.py`. Next: `compare_command.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ermlab.errors import ConfigError
from ermlab.results.groups import TEST, Group, Groups, make_groups
from ermlab.results.load import load_runs
from ermlab.results.pair import compare_pair, pair_frame
from ermlab.results.progress import tell_progress
from ermlab.results.select import is_lower_better, objective_of, select_runs
from ermlab.results.statistics import (
    ALPHA,
    NO_INTERVAL,
    Contrast,
    bootstrap_interval,
    contrast,
    correct,
    t_interval,
)

BEST, ALIKE, WORSE = "best", "not told apart", "worse"
SINGLE, EMPTY = "one seed", "no result"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Groups, best mean first, and how each differs from the best.

    Attributes:
        made: the groups as they were made.
        groups: those with a value, the best mean first; then those without.
        is_lower_better: whether the lowest mean is the best.
        contrasts: of each group with the best; None for the best itself, and where one of the two
            has a single replicate.
        p_values: of the contrasts, corrected for their number; NaN where there is none.
        verdicts: BEST, ALIKE, WORSE, SINGLE or EMPTY, for each group.
    """

    made: Groups
    groups: list[Group]
    is_lower_better: bool
    contrasts: list[Contrast | None]
    p_values: list[float]
    verdicts: list[str]


def compare(
    dirs: Path | str | Sequence[Path | str],
    *,
    by: Sequence[str],
    column: str | None = None,
    where: str | None = None,
    pair: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """Compare groups of runs over their seeds.

    Args:
        dirs: as for `load_runs`.
        by: keys or group choices that make the groups, such as ["model", "optimizer.lr"].
        column: what to compare; None for what the runs optimize, such as `valid_loss`.
        where: a condition that the runs meet (see `find_matching`).
        pair: names of two groups to compare with each other, such as ("linear", "two_layer").

    Returns:
        One row per group, the best mean first: the keys, `n`, `mean`, `sd`, the 95 % interval of
        the mean by t (`low`, `high`) and by bootstrap (`low_bootstrap`, `high_bootstrap`); against
        the best group `difference`, `p_value` (Holm), `test` and `verdict`; `n_left_out` and
        `left_out` for runs without a result; and the same of the test loss (`test_n`,
        `test_mean`, `test_low`, `test_high`), whose interval is NaN unless all of the `n` have
        one. What one seed cannot tell is NaN. With `pair`, one row for the two (see `pair_frame`).

    Raises:
        ConfigError: a key, a column, the condition or a name is wrong, or no key varies.
        RunDirError: a path does not exist, or has no run directory.
    """
    paths = [dirs] if isinstance(dirs, str | Path) else list(dirs)
    groups, lower = load_groups(paths, by=list(by), column=column, where=where)
    if pair is not None:
        return pair_frame(compare_pair(groups, pair))
    return comparison_frame(compare_groups(groups, is_lower_better=lower))


def load_groups(
    paths: Sequence[Path | str], *, by: Sequence[str], column: str | None, where: str | None
) -> tuple[Groups, bool]:
    """Load runs into groups, and tell whether a lower value is a better one (see `compare`)."""
    frame = load_runs(*paths)
    if where is not None:
        frame = select_runs(frame, where=where)
        if frame.empty:
            raise ConfigError(
                "no run meets the condition", where="--where", fix="ask for less, or leave it out"
            )
    column = column if column is not None else objective_of(frame)
    return make_groups(frame, by=by, column=column), is_lower_better(frame, column)


def compare_groups(made: Groups, *, is_lower_better: bool) -> Comparison:
    """Order groups by their mean, and compare each with the best.

    Args:
        made: the groups; at least one has a value.
        is_lower_better: whether the lowest mean is the best.
    """
    sign = 1 if is_lower_better else -1
    valued = [group for group in made.groups if len(group.values)]
    groups = sorted(valued, key=lambda group: sign * float(group.values.mean()))
    groups += [group for group in made.groups if not len(group.values)]
    best = groups[0]
    contrasts = [None, *(contrast(group.values, best.values) for group in groups[1:])]
    p_values = correct([math.nan if each is None else each.p_value for each in contrasts])
    verdicts = [
        _judge(group, each, p) for group, each, p in zip(groups, contrasts, p_values, strict=True)
    ]
    return Comparison(
        made=made,
        groups=groups,
        is_lower_better=is_lower_better,
        contrasts=contrasts,
        p_values=p_values,
        verdicts=[BEST, *verdicts[1:]],
    )


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """Put a comparison into the frame that `compare` gives."""
    rows = []
    judged = list(
        zip(
            comparison.groups,
            comparison.contrasts,
            comparison.p_values,
            comparison.verdicts,
            strict=True,
        )
    )
    for group, against, p_value, verdict in tell_progress(judged, "compare groups"):
        row: dict[str, object] = dict(zip(comparison.made.by, group.key, strict=True))
        difference = math.nan if against is None else against.difference
        row |= {**describe(group.values), "difference": difference, "p_value": p_value}
        row |= {"test": None if against is None else against.kind}
        row |= {"verdict": verdict, "n_left_out": group.left_out.total()}
        row |= {"left_out": tell_left_out(group) or None}
        if comparison.made.column != TEST:
            low, high = t_interval(group.test.tolist()) if group.is_tested else NO_INTERVAL
            row |= {"test_n": len(group.test), "test_mean": _mean(group.test)}
            row |= {"test_low": low, "test_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def describe(values: "pd.Series[float]") -> dict[str, float]:
    """Give number, mean, standard deviation and intervals of the values of a group."""
    low, high = t_interval(values.tolist())
    low_bootstrap, high_bootstrap = bootstrap_interval(values.tolist())
    return {
        "n": len(values),
        "mean": _mean(values),
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        "low": low,
        "high": high,
        "low_bootstrap": low_bootstrap,
        "high_bootstrap": high_bootstrap,
    }


def tell_left_out(group: Group) -> str:
    """Say how many runs of a group have no value, and why: `2 diverged, 1 failed`."""
    return ", ".join(f"{number} {reason}" for reason, number in sorted(group.left_out.items()))


def _mean(values: "pd.Series[float]") -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _judge(group: Group, against: Contrast | None, p_value: float) -> str:
    if against is None or math.isnan(p_value):
        return SINGLE if len(group.values) else EMPTY
    return WORSE if p_value < ALPHA else ALIKE
