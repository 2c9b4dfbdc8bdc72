"""What one may conclude from compared groups, in sentences, and what one may not."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ermlab.results.compare import ALIKE, WORSE, Comparison, tell_left_out
from ermlab.results.groups import TEST, Group, Groups
from ermlab.results.pair import EFFECTS, Pair
from ermlab.results.statistics import ALPHA, count_pairs, t_interval
from ermlab.results.table import cell_text, loss_text

MOST_NAMED = 5  # own; a longer list of groups is not read, and the table has them all
_ALPHA = f"{ALPHA * 100:.0f} %"
MORE_SEEDS = "train more seeds (seed=0,1,2,3,4)"
_MORE_TESTS = (
    f"for the {TEST} of another choice, train it alone with several seeds, which tests each run "
    "(ermlab -m KEY=VALUE ... seed=0,1,2,3,4), or sweep with hydra.sweeper.sweep_test=all"
)


def span(low: float, high: float) -> str:
    """Put an interval into text; `-` where there is none."""
    return "-" if np.isnan(low) or np.isnan(high) else f"[{loss_text(low)}, {loss_text(high)}]"


def conclude(comparison: Comparison) -> list[str]:
    """Say what follows from a comparison, one sentence or two for each line."""
    made, best = comparison.made, comparison.groups[0]
    order = "lower" if comparison.is_lower_better else "higher"
    return [
        f"best by mean {made.column} ({order} is better): {made.name(best)}, "
        f"{_mean(best.values.tolist(), made.replicate)}",
        *_tell_contrasts(comparison),
        *_tell_selection(made, best),
        *_tell_single(comparison),
        *_tell_below_zero(comparison),
        *_tell_left_out(made),
        *_tell_doubts(made),
    ]


def conclude_pair(made: Groups, pair: Pair, *, is_lower_better: bool) -> list[str]:
    """Say what follows from a comparison of two groups."""
    found = pair.contrast
    first, second = pair.names
    pairs = f"paired over {found.n} shared {made.replicate}s"
    how = pairs if found.kind == "paired" else "Welch's test"
    effect = f"{EFFECTS[found.kind]} {cell_text(found.effect_size)}"
    if found.p_value >= ALPHA:
        told = (
            f"{first} and {second} cannot be told apart by {made.column} at the {_ALPHA} level "
            f"({how}): a difference within {span(*found.interval)} is still possible; {MORE_SEEDS} "
            "to narrow it"
        )
    else:
        is_first = (found.difference < 0) == is_lower_better
        told = (
            f"{first if is_first else second} is better than {second if is_first else first} by "
            f"{cell_text(abs(found.difference))} in {made.column} ({how}; {effect})"
        )
    several = (
        f"p is for this one pair, chosen beforehand; of {len(made.groups)} groups the most "
        "different two would look different by chance: leave --pair out to correct for that"
    )
    return [
        told,
        *([several] if len(made.groups) > 2 else []),
        *_tell_left_out(made, pair.groups),
        *_tell_doubts(made),
    ]


def _tell_contrasts(comparison: Comparison) -> list[str]:
    made = comparison.made
    groups = dict(zip(map(made.name, comparison.groups), comparison.verdicts, strict=True))
    alike = [name for name, verdict in groups.items() if verdict == ALIKE]
    n_worse = sum(verdict == WORSE for verdict in groups.values())
    n_tests = len(alike) + n_worse
    if n_tests == 0:
        return []
    kinds = Counter(each.kind for each in comparison.contrasts if each is not None)
    how = " and ".join(_tell_kind(made, *each, n_tests) for each in kinds.items())
    pairs = f", corrected by Holm for the {count_pairs(n_tests)} pairs of {n_tests + 1} groups"
    corrected = pairs if n_tests > 1 else ""
    told = f"at the {_ALPHA} level ({how}{corrected})"
    if not alike:
        others = "every other group" if n_worse == len(groups) - 1 else _count(n_worse, "group")
        return [f"worse than the best {told}: {others}"]
    lines = [
        f"cannot be told from the best {told}: {_names(alike)}. Choose among them by cost, or "
        f"{MORE_SEEDS} to tell them apart"
    ]
    return lines + ([f"worse than the best: {_count(n_worse, 'group')}"] if n_worse else [])


def _tell_kind(made: Groups, kind: str, number: int, n_tests: int) -> str:
    name = f"paired over shared {made.replicate}s" if kind == "paired" else "Welch's test"
    return name if number == n_tests else f"{name} for {number}"


def _tell_selection(made: Groups, best: Group) -> list[str]:
    if len(made.groups) < 2:
        return []
    if made.column == TEST:
        return [
            "the best was chosen by the test loss itself, so its interval is optimistic: choose by "
            "valid_loss, and quote the test loss of that choice"
        ]
    start = f"the best was chosen for its {made.column}, so its own interval is optimistic"
    if all(group.test.empty for group in made.groups) and not made.column.startswith("valid"):
        return [f"{start}; quote a number from data by which nothing was chosen"]
    if best.test.empty:
        return [
            f"{start}; the number to quote is its {TEST}, which its runs do not have: train it "
            "with a loop that tests (loop.test=true), or sweep with hydra.sweeper.sweep_test=winner"
        ]
    mean = _mean(best.test.tolist(), made.replicate)
    told = f"{start}; the number to quote is its {TEST}: {mean}"
    if not best.is_tested:
        told = (
            f"{start}; and only {len(best.test)} of its {len(best.values)} {made.replicate}s have "
            f"a {TEST} ({loss_text(float(np.mean(best.test)))}), such as those of a sweep's "
            "winning trial: that is the number of these alone, and not of the group"
        )
    is_partial = any(len(group.values) and not group.is_tested for group in made.groups)
    return [told, _MORE_TESTS] if is_partial else [told]


def _tell_single(comparison: Comparison) -> list[str]:
    single = [group for group in comparison.groups if len(group.values) == 1]
    if not single:
        return []
    names = _names([comparison.made.name(group) for group in single])
    if comparison.groups[0] in single and len(comparison.groups) > 1:
        return [
            f"with one seed, and so without interval: {names}. The best is among them, so no other "
            f"group can be compared with it: {MORE_SEEDS}"
        ]
    return [f"with one seed, and so without interval and not compared: {names}; {MORE_SEEDS}"]


def _tell_below_zero(comparison: Comparison) -> list[str]:
    """Say what to think of an interval by t that holds values which a loss cannot have."""
    made = comparison.made
    values = [group.values.tolist() for group in comparison.groups]
    if min(map(min, filter(None, values))) < 0 or not any(t_interval(v)[0] < 0 for v in values):
        return []
    return [
        f"an interval by t reaches below 0, where no {made.column} here is: the values are few or "
        "skewed, so look at the interval by bootstrap too (--format csv has both)"
    ]


def _tell_left_out(made: Groups, groups: Sequence[Group] | None = None) -> list[str]:
    groups = made.groups if groups is None else groups
    lacking = [group for group in groups if group.left_out]
    if not lacking:
        return []
    names = [f"{made.name(group)} ({tell_left_out(group)} of {group.n_runs})" for group in lacking]
    n_left_out = sum(group.left_out.total() for group in lacking)
    return [
        f"{_count(n_left_out, 'run')} without a result left out: {_names(names, '; ')}. What is "
        "left of such a group looks better than the choice is"
    ]


def _tell_doubts(made: Groups) -> list[str]:
    lines = []
    if made.also_vary:
        lines.append(
            f"within groups also vary: {_names(made.also_vary)}. Their spread is in the intervals: "
            "add them to --by, or choose with --where"
        )
    if made.constant:
        lines.append(f"the same in all runs, and so left out of --by: {_names(made.constant)}")
    n_repeats = sum(group.n_repeats for group in made.groups)
    if n_repeats:
        lines.append(
            f"{_count(n_repeats, 'run')} with the seed and settings of another run: each seed "
            "counts once, with the mean of its runs"
        )
    if made.n_unknown:
        lines.append(
            f"{_count(made.n_unknown, 'run')} of another program, which does not tell how they "
            "ended, counted as complete"
        )
    return lines


def _mean(values: Sequence[float], of: str) -> str:
    mean = loss_text(float(np.mean(values)))
    if len(values) < 2:
        return f"{mean} from a single {of}"
    return f"{mean}, 95 % interval {span(*t_interval(values))} over {len(values)} {of}s"


def _names(names: Sequence[str], gap: str = "; ") -> str:
    more = len(names) - MOST_NAMED
    return gap.join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
