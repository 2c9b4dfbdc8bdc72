"""Best model and early stopping: what a validation decides, for K trials at once."""

import torch
from torch import Tensor

from ermlab.errors import ShapeError


def keep_best(best: Tensor, value: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Take over each trial's validation loss where it is the lowest so far.

    Args:
        best: lowest loss so far, (K,) [loss]; +inf before the first validation.
        value: loss of this validation, (K,) [loss]; NaN counts as no improvement.
        active: whether the trial is validated now, (K,) bool; the others stay as they are.

    Returns:
        The new lowest loss, (K,) [loss], and which trials improved, (K,) bool.

    Raises:
        ShapeError: the three are not all (K,).

    Source:
        Prechelt (1998), "Early Stopping - But When?": the quantity called E_opt.
    """
    _check_shapes(best, value, active)
    improved = active & (value < best)
    return torch.where(improved, value, best), improved


def count_misses(misses: Tensor, improved: Tensor, active: Tensor) -> Tensor:
    """Count each trial's validations in a row that brought no new lowest loss.

    Args:
        misses: count so far, (K,) int64.
        improved: which trials have a new lowest loss, (K,) bool.
        active: whether the trial is validated now, (K,) bool; the others keep their count.

    Returns:
        The new count, (K,) int64.

    Raises:
        ShapeError: the three are not all (K,).
    """
    _check_shapes(misses, improved, active)
    return torch.where(active, torch.where(improved, 0, misses + 1), misses)


def _check_shapes(*values: Tensor) -> None:
    shapes = [tuple(value.shape) for value in values]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        raise ShapeError(
            f"values of K trials have the shapes {', '.join(map(str, shapes))}, not all (K,)",
            where="the learner's measures",
            fix="return one value per trial, (K,), from the learner",
        )
