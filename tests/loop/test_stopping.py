"""Best values and misses of K trials."""

import pytest
import torch

from ermlab.errors import ShapeError
from ermlab.loop.stopping import count_misses, keep_best

INF, NAN = float("inf"), float("nan")


def test_a_lower_loss_becomes_the_best():
    best, improved = keep_best(
        torch.tensor([2.0, 2.0]), torch.tensor([1.0, 3.0]), torch.tensor([True, True])
    )
    assert best.tolist() == [1.0, 2.0]
    assert improved.tolist() == [True, False]


def test_an_equal_loss_is_no_improvement():
    _, improved = keep_best(torch.tensor([2.0]), torch.tensor([2.0]), torch.tensor([True]))
    assert not improved.any()


def test_nan_never_becomes_the_best_value():
    best, improved = keep_best(torch.tensor([INF]), torch.tensor([NAN]), torch.tensor([True]))
    assert best.tolist() == [INF]
    assert not improved.any()


def test_a_trial_that_is_not_validated_stays_as_it_is():
    best, improved = keep_best(torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([False]))
    assert best.tolist() == [2.0]
    assert not improved.any()


def test_misses_count_up_and_start_again_with_an_improvement():
    misses = count_misses(
        torch.tensor([3, 3, 3]),
        torch.tensor([True, False, False]),
        torch.tensor([True, True, False]),
    )
    assert misses.tolist() == [0, 4, 3]


def test_values_of_different_length_are_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"\(2,\), \(1,\)"):
        keep_best(torch.zeros(2), torch.zeros(1), torch.ones(2, dtype=torch.bool))
