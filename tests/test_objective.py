"""Losses against their formulas, and what they refuse."""

import pytest
import torch

from ermlab.errors import ConfigError, ShapeError
from ermlab.objective import CrossEntropy, SquaredError, accuracy

PREDICTION = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
TARGET = torch.tensor([[0.0, 2.0], [1.0, 1.0]])  # errors 1, 0, 2, 4


def test_squared_error_is_the_mean_over_rows_and_outputs():
    assert SquaredError(outputs="mean")(PREDICTION, TARGET).item() == 21 / 4


def test_squared_error_can_sum_over_outputs():
    assert SquaredError(outputs="sum")(PREDICTION, TARGET).item() == 21 / 2


def test_squared_error_refuses_shapes_that_torch_would_broadcast():
    with pytest.raises(ShapeError, match=r"\(2, 1\).*\(2, 2\)"):
        SquaredError(outputs="mean").check(PREDICTION[:, :1], TARGET)


def test_squared_error_refuses_class_labels():
    with pytest.raises(ConfigError, match="cross_entropy"):
        SquaredError(outputs="mean").check(PREDICTION, torch.tensor([0, 1]))


def test_cross_entropy_is_the_mean_negative_log_probability_of_the_label():
    labels = torch.tensor([1, 0])
    chances = PREDICTION.exp() / PREDICTION.exp().sum(1, keepdim=True)
    expected = -(chances[0, 1].log() + chances[1, 0].log()) / 2
    torch.testing.assert_close(CrossEntropy(label_smoothing=0.0)(PREDICTION, labels), expected)


def test_cross_entropy_refuses_targets_that_are_numbers():
    with pytest.raises(ConfigError, match="squared_error"):
        CrossEntropy(label_smoothing=0.0).check(PREDICTION, TARGET)


def test_cross_entropy_refuses_predictions_without_a_column_per_class():
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        CrossEntropy(label_smoothing=0.0).check(PREDICTION[:, 0], torch.tensor([0, 1]))


def test_accuracy_counts_the_rows_with_the_largest_logit_at_the_label():
    assert accuracy(PREDICTION, torch.tensor([1, 0])).item() == 0.5


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (SquaredError(outputs="mean"), TARGET),
        (SquaredError(outputs="sum"), TARGET),
        (CrossEntropy(label_smoothing=0.0), torch.tensor([1, 0])),
        (CrossEntropy(label_smoothing=0.2), torch.tensor([1, 0])),
    ],
)
def test_the_written_gradient_is_autograds(loss, target):
    prediction = PREDICTION.double().requires_grad_()
    target = target.double() if target.is_floating_point() else target
    loss(prediction, target).backward()
    share, found = torch.full((2, 1), 0.5, dtype=torch.float64), prediction.detach().clone()
    losses = loss.differentiate(found, target, share, found)  # written over the prediction
    torch.testing.assert_close(found, prediction.grad)
    torch.testing.assert_close(losses.mean(), loss(prediction, target).detach())


def test_a_row_of_padding_counts_nothing():
    share = torch.tensor([[1.0], [0.0]])
    smooth = CrossEntropy(label_smoothing=0.1)
    for loss, target in ((SquaredError(outputs="mean"), TARGET), (smooth, torch.tensor([1, 0]))):
        slope = torch.full_like(PREDICTION, 7.0)
        losses = loss.differentiate(PREDICTION, target, share, slope)
        torch.testing.assert_close(losses[0], loss(PREDICTION[:1], target[:1]))
        assert not slope[1].any()
