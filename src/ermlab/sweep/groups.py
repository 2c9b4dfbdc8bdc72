"""Plans which trials of a sweep train in one stack, by predicted cost, and says why others do not.

Trials of one program (model class and depth, kind of optimizer, loss, loop, data up to the seed)
may share a stack. Which of them do is decided by the cost of the padding against the dispatch that
a stack saves: similar widths and numbers of steps come together, in chunks that fit the cache.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from ermlab.sweep.cost import Work, cost_of_stack
from ermlab.sweep.program import describe_work, find_reason, name_program


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


def plan_groups(
    configs: Sequence[DictConfig],
    choices: Sequence[Mapping[str, str | None]],
    *,
    max_trials: int,
    max_bytes: int,
) -> list[Group]:
    """Divide the trials of a sweep into stacks.

    Args:
        configs: their configurations, as composed.
        choices: the chosen option of each config group, for each trial.
        max_trials: K at most, >= 1.
        max_bytes: memory of a stack's parameters, gradients and optimizer state at most [bytes].

    Returns:
        The groups, the most expensive first, so that several processes end at about one time.
    """
    groups: list[Group] = []
    programs: dict[str, list[int]] = {}
    for position, config in enumerate(configs):
        reason = find_reason(config)
        if reason is None:
            programs.setdefault(name_program(config, choices[position]), []).append(position)
        else:
            cost_s = cost_of_stack([describe_work(config)])
            groups.append(Group(members=[position], cost_s=cost_s, reason=reason))
    for members in programs.values():
        work = {position: describe_work(configs[position]) for position in members}
        groups += _divide(work, max_trials=max_trials, max_bytes=max_bytes)
    return sorted(groups, key=lambda group: (-group.cost_s, group.members))


def _divide(work: Mapping[int, Work], *, max_trials: int, max_bytes: int) -> list[Group]:
    """Choose the cheapest of some orders, each cut into chunks at the best places."""
    orders = [
        sorted(work, key=lambda p: (work[p].n_params, work[p].n_steps)),
        sorted(work, key=lambda p: (work[p].n_steps, work[p].n_params)),
        # Within a factor of two in steps, by width.
        sorted(work, key=lambda p: (work[p].n_steps.bit_length(), work[p].n_params)),
    ]
    plans = [_cut(order, work, max_trials=max_trials, max_bytes=max_bytes) for order in orders]
    return min(plans, key=lambda plan: sum(group.cost_s for group in plan))


def _cut(
    order: Sequence[int], work: Mapping[int, Work], *, max_trials: int, max_bytes: int
) -> list[Group]:
    """Cut a sequence of trials into chunks of least total cost, by dynamic programming."""
    best: list[tuple[float, list[Group]]] = [(0.0, [])]
    for end in range(1, len(order) + 1):
        options = []
        for start in range(end - 1, max(-1, end - 1 - max_trials), -1):
            members = list(order[start:end])
            chunk = [work[position] for position in members]
            widest = max(each.n_bytes for each in chunk)
            if len(chunk) > 1 and len(chunk) * widest > max_bytes:
                break
            cost_s = cost_of_stack(chunk)
            options.append((best[start][0] + cost_s, start, cost_s, members))
        total, start, cost_s, members = min(options)
        best.append((total, [*best[start][1], Group(members=sorted(members), cost_s=cost_s)]))
    return best[-1][1]
