"""What the loop tells while it trains and when a trial ends: values of shape (K,), and one row."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is measured right after a step.

    Args:
        clock: steps that the stack has made.
        step: of each trial, counted from its own step 0, (K,) int64.
        due: which trials are measured now, (K,) bool; the values of the others are NaN.
        epoch: passes over the training split so far, (K,).
        values: "train_loss" (mean over the batches since the last check, each before its update),
            "valid_loss" and "valid_<metric>" where the plan validates, (K,) [loss].
        wall_s: seconds since each trial began to train, (K,).
        active: which trials train on, (K,) bool.
        diverged: which trials this check ended as diverged, (K,) bool.
    """

    clock: int
    step: Tensor
    due: Tensor
    epoch: Tensor
    values: Mapping[str, Tensor]
    wall_s: Tensor
    active: Tensor
    diverged: Tensor


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one trial ended: status, counts, and its losses by column name.

    Args:
        status: "completed", "stopped_early", "pruned" or "diverged".
        best_step: the step after which the validation loss was lowest; None without validation.
        steps: updates made.
        epochs: passes over the training split.
        values: losses and metrics by column name, of the best model unless they say "last".
        share_s: seconds of training, those of a stack divided among its trials.
    """

    status: str
    best_step: int | None
    steps: int
    epochs: float
    values: Mapping[str, float]
    share_s: float
