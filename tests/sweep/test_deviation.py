"""Two runs side by side: what counts as rounding, as a tie, as chaos, and as a difference."""

import math

import pytest

from ermlab.sweep.deviation import CHAOS, EPS, Numbers, beyond, compare, relative

RTOL = 1e-9
LOSSES = [0.9, 0.5, 0.6, 0.7]


def numbers(losses=LOSSES, **changes):
    best = min(range(len(losses)), key=losses.__getitem__)
    summary = {"status": "completed", "steps": 10 * len(losses), "best_step": 10 * best + 9,
               "valid_loss": losses[best], "test_loss": 0.8, "generalization_gap": 1e-5,
               "seed": 0, "wall_s": 1.0, "error": None}  # fmt: skip
    steps = [10.0 * place + 9 for place in range(len(losses))]
    return Numbers(
        summary=summary | changes, history={"step": steps, "valid_loss": losses, "wall_s": losses}
    )


def scale(losses, *factors):
    return [loss * factor for loss, factor in zip(losses, factors, strict=True)]


def wrong(found, expected, moved=None):
    apart, _ = compare(found, expected, eps=EPS["float64"])
    own = None if moved is None else compare(moved, expected, eps=EPS["float64"])[0]
    return beyond(apart, rtol=RTOL, moved=own)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [(1.0, 1.0, 0), (0.0, 0.0, 0), (math.nan, math.nan, 0), (math.inf, math.inf, 0),
     (2.0, 1.0, 0.5), (0.0, 1e-300, 1), (math.nan, 1.0, 1), (math.inf, -math.inf, 1)],
)  # fmt: skip
def test_a_distance_is_relative_to_the_larger(one, other, apart):
    assert relative(one, other) == relative(other, one) == apart


def test_equal_runs_do_not_deviate():
    apart, is_tie = compare(numbers(), numbers(wall_s=2.0), eps=EPS["float64"])
    assert not is_tie
    assert not any(map(any, apart.values()))


def test_a_loss_beyond_the_tolerance_is_named():
    found = numbers(scale(LOSSES, 1, 1, 1 + 1e-8, 1))
    assert wrong(found, numbers()) == ["history.csv valid_loss"]
    assert wrong(numbers(scale(LOSSES, 1, 1, 1 + 1e-10, 1)), numbers()) == []


def test_a_gap_has_the_rounding_of_its_losses():
    assert wrong(numbers(generalization_gap=1e-5 + 1e-12), numbers()) == []
    assert wrong(numbers(generalization_gap=1.1e-5), numbers()) == ["generalization_gap"]


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"seed": None}, {"seed": False}, {"status": "diverged"}, {"steps": 41}]
)
def test_what_is_no_loss_must_be_equal(change):
    assert wrong(numbers(**change), numbers()) == list(change)


def test_a_missing_column_is_a_difference():
    expected = numbers()
    found = Numbers(summary=expected.summary, history={"step": expected.history["step"]})
    assert wrong(found, expected) == ["history.csv valid_loss"]


def test_a_best_step_between_losses_equal_to_rounding_is_a_tie():
    level = [0.9, 0.5, 0.5 * (1 + 4e-16), 0.7]
    found = numbers(level, best_step=29, test_loss=0.3)
    apart, is_tie = compare(found, numbers(level), eps=EPS["float64"])
    assert is_tie
    assert not beyond(apart, rtol=RTOL)


@pytest.mark.parametrize("best_step", [9, 39, 20, None])
def test_a_best_step_of_a_higher_loss_or_none_is_a_difference(best_step):
    assert wrong(numbers(best_step=best_step), numbers()) == ["best_step"]


def test_stopping_at_a_loss_equal_to_rounding_is_a_tie():
    # The last validation of the longer run was no worse for one of the two, by one bit.
    level = [0.9, 0.5, 0.5 * (1 - 2e-16), 0.6, 0.7]
    longer, shorter = numbers(level), numbers(level[:4], status="stopped_early")
    apart, is_tie = compare(shorter, longer, eps=EPS["float64"])
    assert is_tie
    assert not beyond(apart, rtol=RTOL)


def test_stopping_elsewhere_without_a_tie_is_a_difference():
    found = numbers(LOSSES[:3], status="stopped_early")
    assert set(wrong(found, numbers())) == {"history.csv rows", "status", "steps"}


def test_chaos_excuses_what_the_reference_does_itself():
    found = numbers(scale(LOSSES, 1, 1, 1 + 1e-5, 1 + 1e-3))
    moved = numbers(scale(LOSSES, 1, 1, 1 + 2e-6, 1 + 5e-4))
    assert wrong(found, numbers()) != []
    assert wrong(found, numbers(), moved) == []


def test_chaos_excuses_nothing_before_it_begins():
    found = numbers(scale(LOSSES, 1, 1 + 1e-6, 1, 1))
    moved = numbers(scale(LOSSES, 1, 1, 1, 1.5))
    assert wrong(found, numbers(), moved) == ["history.csv valid_loss"]


def test_chaos_excuses_no_more_than_a_comparable_amount():
    found = numbers(scale(LOSSES, 1, 1, 1, 1 + 2e-6 * CHAOS))
    moved = numbers(scale(LOSSES, 1, 1, 1, 1 + 1e-6))
    assert wrong(found, numbers(), moved) == ["history.csv valid_loss"]


def test_chaos_excuses_no_other_configuration():
    moved = numbers(scale(LOSSES, 1, 1, 1, 1.5))
    assert wrong(numbers(seed=1, steps=41), numbers(), moved) == ["seed"]
