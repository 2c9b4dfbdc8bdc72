"""Plans which trials of a sweep train in one stack, by predicted cost, and says why others do not.

Trials of one program (model class and depth, kind of optimizer, loss, loop, data up to the seed)
may share a stack. A stack saves the dispatch of each step, which all its trials share, for as long
as they train; so those of similar numbers of steps come together, in chunks that fit the cache.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ermlab.sweep.cost import (
    Work,
    cost_alone,
    cost_in_stack,
    cost_of_stack,
    cost_of_steps,
)
from ermlab.sweep.program import Outline


@dataclass(frozen=True, kw_only=True)
class Group:
    """Trials that train together.

    Args:
        members: their positions in the sweep.
        cost_s: predicted seconds on one core.
        reason: why its one member is not stacked; None for a stack.
    """

    members: list[int]
    cost_s: float
    reason: str | None = None


def plan_groups(outlines: Sequence[Outline], *, max_trials: int, max_bytes: int) -> list[Group]:
    """Divide the trials of a sweep into stacks.

    Args:
        outlines: of each trial.
        max_trials: K at most, >= 1.
        max_bytes: memory that a stack's step touches at most [bytes]; see `Work`.

    Returns:
        The groups, the most expensive first, so that several processes end at about one time.
    """
    groups: list[Group] = []
    programs: dict[str, dict[int, Work]] = {}
    for position, trial in enumerate(outlines):
        if trial.reason is None:
            programs.setdefault(trial.program, {})[position] = trial.work
        else:
            cost_s = cost_alone(trial.work)
            groups.append(Group(members=[position], cost_s=cost_s, reason=trial.reason))
    for trials in programs.values():
        groups += _divide(trials, max_trials=max_trials, max_bytes=max_bytes)
    return sorted(groups, key=lambda group: (-group.cost_s, group.members))


def _divide(work: Mapping[int, Work], *, max_trials: int, max_bytes: int) -> list[Group]:
    """Cut the trials, the longest first, into chunks of least total cost (dynamic programming)."""
    order = sorted(work, key=lambda p: (-work[p].n_steps, work[p].n_bytes))
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first trials, start of the last chunk
    for end in range(1, len(order) + 1):
        n_bytes, models_s = 0, 0.0
        options: list[tuple[float, int]] = []
        for start in range(end - 1, max(-1, end - 1 - max_trials), -1):
            trial = work[order[start]]  # of the chunk so far the longest
            n_bytes += trial.n_bytes
            if options and n_bytes > max_bytes:
                break
            models_s += cost_in_stack(trial)
            options.append((best[start][0] + cost_of_steps([trial]) + models_s, start))
        best.append(min(options))
    groups = []
    end = len(order)
    while end:
        start = best[end][1]
        members = sorted(order[start:end])
        groups.append(Group(members=members, cost_s=cost_of_stack(work[p] for p in members)))
        end = start
    return groups
