"""What a sweep costs: ermlab's stacked launcher against the usual ways to run the same trials.

Each alternative is its own command, timed from outside, in turns with the others. What a sweep
costs once (imports, workers, a cluster) is told apart from what each trial costs:

    start-up   a sweep of one trial of one epoch for each core, two at least
    empty      seconds that a trial with an empty task takes, beyond start-up
    per trial  (whole - start-up + trials of the start-up x empty) / trials

The last line takes the trials of the start-up as empty, which they are up to an epoch, in favour of
the alternatives. All draw the same points with Optuna's RandomSampler, which is asserted, and reach
the same validation losses; Lightning and Ray Tune make fewer trials, from a seed whose points cost
as much on average. The command lines are in `sweep_parts/commands.py`, and the programs beside it.

`--only a,c,f --trials 16 --repeats 1` tries quickly.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence

from report import judge_least, print_machine, print_table
from sweep_parts.commands import (
    ALTERNATIVES,
    EPOCHS,
    MIXED,
    N_SHORT,
    NARROW,
    OURS,
    SHORT,
    Results,
    Sweep,
)
from sweep_parts.search import Point, draw_points, find_seed
from sweep_parts.turns import KIND_EMPTY, KIND_SHORT, Job, Taken, take_turns

SEARCHES = {f"hidden units 8 to {MIXED}": MIXED, f"hidden units 8 to {NARROW}": NARROW}
N_EMPTY = 32 + N_SHORT  # trials with an empty task
PARTS = [*ALTERNATIVES, "g", "h", "i", "n"]
MINUTES = "about 30 minutes on two cores for all of it with three turns"
PACKAGES = ["ermlab", "torch", "numpy", "hydra-core", "hydra-optuna-sweeper", "optuna"]
PACKAGES += ["hydra-joblib-launcher", "joblib", "lightning", "ray"]
# Data, start and batches are drawn anew: the deviation between seeds is about 1 % of the loss.
MEDIAN_DIFFERENCE, BEST_DIFFERENCE = 0.03, 0.04


def main() -> None:
    """Measure the parts asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    chosen = args.only.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; use some of {', '.join(PARTS)}")
    if args.trials < 4 or args.repeats < 1:
        parser.error("make it four trials and one turn at least")
    print_machine(PACKAGES)
    print(f"duration  {MINUTES}\n", flush=True)
    letters = [letter for letter in ALTERNATIVES if letter in chosen and is_there(letter)]
    if {"g", "h"} & set(chosen) and OURS not in letters:
        letters.append(OURS)
    taken = take_turns(plan_jobs(letters, args.trials), args.repeats) if letters else {}
    for title, widest in SEARCHES.items():
        present = {k: v for k, v in taken.items() if title in v.whole_s}
        if present:
            check_work(present, title, widest, args.trials)
            print_search(present, title, widest, args.trials)
    print_rest(chosen, taken, args.trials, args.repeats)


def print_rest(
    chosen: Sequence[str], taken: Mapping[str, Taken], n_trials: int, repeats: int
) -> None:
    """Print the other parts; each imports what it needs when it is asked for."""
    if "n" in chosen:
        from sweep_parts.foreign import print_foreign

        print_foreign(repeats)
    if "g" in chosen:
        from sweep_parts.scaling import print_scaling

        counts = [n_trials // 4, n_trials, 4 * n_trials, 16 * n_trials]
        print_scaling(counts, lambda whole_s, n: trial_seconds(taken[OURS], whole_s, n))
    if "h" in chosen:
        print_limit(taken[OURS], n_trials)
    if "i" in chosen:
        from sweep_parts.unpaying import print_unpaying

        print_unpaying(repeats)


def is_there(letter: str) -> bool:
    """Whether an alternative is installed; say so if not."""
    alternative = ALTERNATIVES[letter]
    if not alternative.is_installed():
        print(f"skipped ({letter}) {alternative.title}: {alternative.needs} is not installed; ")
        print("  pip install -c constraints.txt -e '.[bench]' brings it", flush=True)
    return alternative.is_installed()


def plan_jobs(letters: Sequence[str], n_trials: int) -> list[Job]:
    """List the commands of a turn: start-up, empty task and searches of each alternative."""
    jobs = []
    for letter in letters:
        alternative = ALTERNATIVES[letter]
        sweeps = {KIND_SHORT: SHORT, KIND_EMPTY: Sweep(n_trials=N_EMPTY, epochs=0)}
        for title, widest in SEARCHES.items():
            if widest in alternative.goals:
                sweeps[title] = plan_sweep(letter, widest, n_trials)
        kinds = [Job(letter=letter, kind=kind, sweep=sweep) for kind, sweep in sweeps.items()]
        jobs += alternative.n_times * kinds
    return jobs


def plan_sweep(letter: str, widest: int, n_trials: int) -> Sweep:
    """Choose the number of an alternative's trials, and the seed of their points."""
    fewer = ALTERNATIVES[letter].n_trials
    if fewer is None or fewer >= n_trials:
        return Sweep(n_trials=n_trials, widest=widest)
    like = draw_points(n_trials, widest=widest, seed=0)
    return Sweep(n_trials=fewer, widest=widest, seed=find_seed(fewer, like, widest=widest))


def check_work(taken: Mapping[str, Taken], title: str, widest: int, n_trials: int) -> None:
    """Assert that all trained the points that they should, to the losses that these have."""
    known: dict[Point, float] = {}
    for letter, each in taken.items():
        sweep = plan_sweep(letter, widest, n_trials)
        points = draw_points(sweep.n_trials, widest=widest, seed=sweep.seed)
        known |= {point: train_again(point) for point in points if point not in known}
        check_results(f"({letter}) {title}", each.results[title], points, known)


def check_results(
    name: str, results: Results, points: Sequence[Point], known: Mapping[Point, float]
) -> None:
    """Assert that results are of these points, and agree with known losses loosely."""
    trained = {point for point, _ in results}
    assert len(results) == len(points), f"{name}: {len(results)} trials, not {len(points)}"
    assert trained == set(points), f"{name}: other points than RandomSampler draws"
    median = statistics.median(abs(loss / known[point] - 1) for point, loss in results)
    best = min(loss for _, loss in results) / min(known[point] for point in points) - 1
    told = f"{name}: losses differ from a plain loop's by {median:.1%} (median)"
    print(f"{told}, the lowest by {best:+.1%}", flush=True)
    assert median <= MEDIAN_DIFFERENCE, f"{name}: the losses are of other trainings"
    assert abs(best) <= BEST_DIFFERENCE, f"{name}: the lowest loss is of another training"


def train_again(point: Point) -> float:
    """Train a point with the plain loop, in this process."""
    from sweep_parts.plain_loop import train_fast

    return train_fast(
        hidden_units=point.hidden_units, lr=point.lr, batch_size=point.batch_size, epochs=EPOCHS
    )


def empty_seconds(taken: Taken) -> float:
    """Find what a trial with an empty task costs."""
    short_s = statistics.median(taken.whole_s[KIND_SHORT])
    return (statistics.median(taken.whole_s[KIND_EMPTY]) - short_s) / (N_EMPTY - N_SHORT)


def trial_seconds(taken: Taken, whole_s: float, n_trials: int) -> float:
    """Find what a trial costs beyond start-up, in a command that took so long."""
    start_s = statistics.median(taken.whole_s[KIND_SHORT]) - N_SHORT * empty_seconds(taken)
    return (whole_s - start_s) / n_trials


def print_search(taken: Mapping[str, Taken], title: str, widest: int, n_trials: int) -> None:
    """Print a row for each alternative: seconds, cost per trial, and how many times ours."""
    costs = {}
    for letter, each in taken.items():
        count = plan_sweep(letter, widest, n_trials).n_trials
        costs[letter] = trial_seconds(each, statistics.median(each.whole_s[title]), count)
    rows = []
    for letter, each in taken.items():
        alternative, goal = ALTERNATIVES[letter], ALTERNATIVES[letter].goals[widest]
        whole = each.whole_s[title]
        verdict = compare(costs[letter], costs.get(OURS), goal)
        rows.append(
            [
                f"({letter}) {alternative.title}",
                str(len(each.results[title])),
                f"{statistics.median(whole):.1f}",
                f"{min(whole):.1f} to {max(whole):.1f}",
                f"{statistics.median(each.whole_s[KIND_SHORT]):.1f}",
                f"{empty_seconds(each) * 1e3:.0f}",
                f"{costs[letter] * 1e3:.1f}",
                *verdict,
                f"{min(loss for _, loss in each.results[title]):.4f}",
            ]
        )
    header = ["", "trials", "whole [s]", "range", "start-up [s]", "empty [ms]"]
    header += ["per trial [ms]", "ours x", "goal", "", "lowest loss"]
    print_table(title, header, rows)


def compare(cost_s: float, ours_s: float | None, goal: float | None) -> Sequence[str]:
    """Show how many times our cost another is, and whether that is as much as it should be."""
    if ours_s is None:
        return "", "", ""
    if ours_s <= 0:  # a busy machine: the start-up varied by more than the trials took
        return "?", "", "measure again"
    ratio = cost_s / ours_s
    return (f"{ratio:.2f}", "", "") if goal is None else judge_least(ratio, goal, 1)


def print_limit(taken: Taken, n_trials: int) -> None:
    """(h) Print what share of our time the arithmetic alone needs."""
    from sweep_parts.arithmetic import least_seconds

    rows = []
    for title, widest in SEARCHES.items():
        whole_s = statistics.median(taken.whole_s[title])
        cost_s = trial_seconds(taken, whole_s, n_trials)
        least_s = least_seconds(draw_points(n_trials, widest=widest, seed=0))
        share = f"{least_s / cost_s:.0%}" if cost_s > 0 else "measure again"
        rows.append([title, f"{least_s * 1e3:.1f}", f"{cost_s * 1e3:.1f}", share])
    header = ["per trial", "products alone [ms]", "ours [ms]", "share"]
    print_table("(h) distance to the machine's limit", header, rows)


if __name__ == "__main__":
    main()
