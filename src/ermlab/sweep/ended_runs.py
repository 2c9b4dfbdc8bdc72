"""Finds the runs of a trial that had ended when a sweep was stopped, but were not told of yet."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ermlab import rundir
from ermlab.sweep.pruning import Pruning
from ermlab.sweep.runs import Run, RunEnd
from ermlab.trial.objectives import list_objectives, objective_values


class StoppedStudy(Protocol):
    """What is known of the time before the stop."""

    starts: dict[int, int]

    @property
    def pruned_before(self) -> Collection[int]:
        """The open trials of which it was decided that they are pruned."""
        ...


def find_ended(
    runs: Sequence[Run],
    find_dir: Callable[[Run], Path],
    *,
    objective: Any,
    study: StoppedStudy,
    pruning: Pruning | None,
) -> dict[int, RunEnd]:
    """Find which runs of a trial need not be trained again, and tell the pruner of them.

    Replicates that a pruner may still end are trained again together, where the moment at which
    each began is known: what they report must come as it did.

    Args:
        runs: of one trial.
        find_dir: tells the folder of each.
        objective: of the sweep's configuration.
        study: see `StoppedStudy`.
        pruning: ends trials early, if they are to be.

    Returns:
        How runs ended, by number of the job.
    """
    run_dirs = {run.number: find_dir(run) for run in runs}
    read = {number: rundir.read_summary(run_dir) for number, run_dir in run_dirs.items()}
    found = {n: each for n, each in read.items() if each and each.get("status") != "failed"}
    if pruning is not None and found:
        trial, pruned = runs[0].trial, [n for n, each in found.items() if _is_pruned(each)]
        is_whole, was_pruned = len(found) == len(runs), bool(pruned) or trial in study.pruned_before
        if not is_whole and any(number in study.starts for number in found):
            return {}
        if was_pruned or not is_whole:
            name = list_objectives(objective)[0]
            for number in found:
                history = rundir.read_history(run_dirs[number]).get(name, [])
                pruning.repeat(number, history, is_pruned=number in pruned)
        if was_pruned and is_whole:
            pruning.settle(trial)
    return {
        number: RunEnd(
            run_dir=run_dirs[number],
            values=_values(summary, objective),
            clock=_clock_at_end(study.starts.get(number), summary),
        )
        for number, summary in found.items()
    }


def _is_pruned(summary: Mapping[str, Any]) -> bool:
    return summary.get("status") == "pruned"


def _values(summary: Mapping[str, Any], objective: Any) -> Sequence[float]:
    values = objective_values(summary, objective)
    return values if isinstance(values, list) else [values]


def _clock_at_end(start: int | None, summary: Mapping[str, Any]) -> int | None:
    """What the clock showed when a run ended, at least: a stack counts steps, a run alone none."""
    steps, is_stacked = summary.get("steps"), (summary.get("stack_size") or 0) > 1
    return start + steps if start is not None and is_stacked and type(steps) is int else start
