"""How far the numbers of two runs lie apart, column by column, and whether that is rounding.

Where the numbers come from is in `verify.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from ermlab import rundir
from ermlab.rundir import Value

# A stack sums in another order than the reference does: the same numbers but for the last bits.
# float64: as in the tests of the stack. float32: measured on 100 trials of 10 stacked sweeps (our
# models, digits, diabetes, torch's modules by vmap; SGD, momentum, Adam, AdamW; 80 to 1200 steps):
# 92 were within 3e-7 and two within 1e-5; the other 6 (Adam with a step size of 0.1) were off by
# 0.05 to 0.7, and so was the reference itself when started one bit beside. Nothing lay between.
TOLERANCES = {"float64": 1e-9, "float32": 1e-4}
EPS = {"float64": 2.0**-52, "float32": 2.0**-23}  # one bit, relative
# How much further than the reference, started one bit beside, a stack may move: that start is one
# nudge, while a stack rounds otherwise at every step. Measured on those 6 trials: up to 14 times;
# the tests of the stack use the same factor in float64.
CHAOS = 100

HISTORY = "history.csv "  # before the name of a column of it
_UNLIKE = (
    "started_at", "wall_s", "stack_size", "error", "git_sha", "format", "trial", "test_reads",
)  # fmt: skip
# Of the winner of a sweep, which reads the test split when the sweep is over, and its trial not.
_LATE = ("test_loss", "test_accuracy", "generalization_gap")
_OUTCOMES = ("status", "steps", "epochs", "best_step", HISTORY + "rows")
_MEASURES = ("train_", "valid_", "test_", "generalization_gap")

Deviations = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What a finished run measured: its summary, and its history's columns."""

    summary: Mapping[str, Value]
    history: Mapping[str, Sequence[float]]


def read_numbers(run_dir: Path) -> Numbers:
    """Read the numbers of a finished run.

    Raises:
        RunDirError: a file is missing or damaged.
    """
    summary = rundir.read_summary(run_dir)
    assert summary is not None, "only finished runs are compared"
    return Numbers(summary=summary, history=rundir.read_history(run_dir))


def compare(found: Numbers, expected: Numbers, *, eps: float) -> tuple[Deviations, bool]:
    """Measure how far a run is from another one of the same trial.

    Two runs may take another validation for the best, or stop at another one, where the losses
    there are equal to rounding. What follows from that choice is then not compared.

    Args:
        found: the numbers in question.
        expected: those of the reference.
        eps: relative size of a bit.

    Returns:
        For each column relative deviations, >= 0, and inf where text, whole numbers or missing
        values differ: one for a column of the summary, one per validation for one of the history.
        And whether a tie to rounding was met.
    """
    n_rows = {len(column) for run in (found, expected) for column in run.history.values()}
    n_common = min(n_rows, default=0)
    apart: Deviations = {}
    for name in _union(found.history, expected.history):
        pair = (found.history.get(name), expected.history.get(name))
        apart[HISTORY + name] = _column_apart(*pair, n_common)
    ends = [found.summary.get(k) == expected.summary.get(k) for k in ("status", "steps")]
    same_end = all(ends) and len(n_rows) <= 1
    same_best = found.summary.get("best_step") == expected.summary.get("best_step")
    is_tie = not (same_end and same_best) and _is_tie(found, expected, apart, same_end, eps)
    if not is_tie and len(n_rows) > 1:
        apart[HISTORY + "rows"] = [math.inf]
    for name in _union(found.summary, expected.summary):
        is_late = name in _LATE and "test_reads" in found.summary
        if not is_late and not (is_tie and _follows(name, same_end)):
            apart[name] = [_gap(name, found.summary, expected.summary)]
    return apart, is_tie


def beyond(apart: Deviations, *, rtol: float, moved: Deviations | None = None) -> list[str]:
    """List the columns in which a run is further from the reference than rounding explains.

    Args:
        apart: its deviations.
        rtol: what is allowed to each.
        moved: deviations of the reference, started one bit beside, from itself; they widen what is
            allowed from there on.
    """
    drifts = {name: list(accumulate(column, max)) for name, column in (moved or {}).items()}
    furthest = max(
        (d[-1] for name, d in drifts.items() if name.startswith(HISTORY) and d), default=0
    )
    found = []
    for name, column in apart.items():
        drift = [0.0] * len(column)
        if name in _OUTCOMES:  # once losses have lost their digits, so have choices between them
            drift = [math.inf if furthest > rtol else 0.0]
        elif name.startswith(_MEASURES):  # of one model; it may be where the two curves cross
            drift = [max(furthest, *drifts.get(name, [0.0]))]
        elif own := drifts.get(name):
            drift = (own + [own[-1]] * len(column))[: len(column)]
        if any(size > rtol + CHAOS * each for size, each in zip(column, drift, strict=True)):
            found.append(name)
    return found


def relative(found: float, expected: float) -> float:
    """Give the distance of two numbers, relative to the larger; 0 for equal ones, NaN included."""
    if found == expected or (math.isnan(found) and math.isnan(expected)):
        return 0.0
    if not (math.isfinite(found) and math.isfinite(expected)):
        return 1.0
    return abs(found - expected) / max(abs(found), abs(expected))


def _union(*columns: Mapping[str, object]) -> list[str]:
    names = dict.fromkeys(name for each in columns for name in each)
    # What `ermlab transfer` added was measured later, on other data.
    return [n for n in names if n not in _UNLIKE and not n.startswith(("version_", "transfer_"))]


def _column_apart(
    found: Sequence[float] | None, expected: Sequence[float] | None, n_common: int
) -> list[float]:
    if found is None or expected is None:
        return [math.inf]
    pairs = zip(found[:n_common], expected[:n_common], strict=True)
    return [relative(*pair) for pair in pairs]


def _gap(name: str, found: Mapping[str, Value], expected: Mapping[str, Value]) -> float:
    one, other = found.get(name), expected.get(name)
    if not (isinstance(one, float) and isinstance(other, float)):
        return 0.0 if one == other and type(one) is type(other) else math.inf
    if name == "generalization_gap":  # a small difference of losses has their rounding, not its own
        loss = expected.get("test_loss")
        scale = abs(loss) if isinstance(loss, float) else 0.0
        return abs(one - other) / (max(scale, abs(one), abs(other)) or 1.0)
    return relative(one, other)


def _is_tie(
    found: Numbers, expected: Numbers, apart: Deviations, same_end: bool, eps: float
) -> bool:
    """Whether the two differ in a choice between losses no further apart than the runs are."""
    losses = list(expected.history.get("valid_loss", []))
    column = apart.get(f"{HISTORY}valid_loss", [])
    if not losses or not column or "diverged" in (_status(found), _status(expected)):
        return False
    allowed = 2 * max(column) + 4 * eps  # each of two losses may be that far off
    if same_end:
        by_step = dict(zip(expected.history["step"], losses, strict=False))
        best = [by_step.get(_number(each.summary.get("best_step"))) for each in (found, expected)]
        return None not in best and relative(*best) <= allowed  # type: ignore[arg-type]  # no None
    lowest = accumulate(losses, min)
    common = zip(losses[1 : len(column)], lowest, strict=False)
    return any(relative(*pair) <= allowed for pair in common)


def _status(run: Numbers) -> object:
    return run.summary.get("status")


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _follows(name: str, same_end: bool) -> bool:
    """Whether a column of the summary follows from which validation was best, or the last."""
    if not same_end:
        return name.startswith(_MEASURES) or name in ("status", "steps", "epochs", "best_step")
    is_last = name == "valid_loss" or name.endswith("_last")
    return name == "best_step" or (name.startswith(_MEASURES) and not is_last)
