"""What the loop drives: something that can step, evaluate, and keep its best state.

`single.py` has the reference, one module trained by autograd and torch.optim. A learner of K trials
keeps the order of its trials: every value here has shape (K,), whichever trials still train.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ermlab.data.dataset import DataSet
from ermlab.loop.batches import IndexArray
from ermlab.objective import Loss, Metric

Measures = Mapping[str, Tensor]
State = dict[str, Any]  # nested dicts, lists and tuples of tensors, numbers, texts and None


class Paused(KeyboardInterrupt):
    """Training was asked to pause and did so between two steps, where it can be continued."""


class Optimizer(Protocol):
    """What a learner asks of an optimizer; every `torch.optim` class has it."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        ...

    def step(self) -> object:
        """Update the parameters from their gradients."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What one trial is made of, before a learner takes it.

    Args:
        module: the parametrization f(x; H), on the device and in the dtype of the data.
        optimizer: holds the module's parameters.
        loss: mean loss of a batch, ().
        metrics: measured at validations beside the loss.
        data: the splits, as whole tensors on the device.
        batches: blocks (S, B) of row numbers of the train split, without end.
    """

    module: nn.Module
    optimizer: Optimizer
    loss: Loss
    metrics: Mapping[str, Metric]
    data: DataSet
    batches: Iterator[IndexArray]


class Learner(Protocol):
    """K trials that train together; K is 1 for a single run."""

    @property
    def n_trials(self) -> int:
        """K."""
        ...

    def n_rows(self, split: str) -> Tensor:
        """Rows of a split for each trial, (K,) int64."""
        ...

    def advance(self, n_steps: int) -> Tensor:
        """Make updates of every trial that still trains.

        Args:
            n_steps: how many, >= 1.

        Returns:
            Mean over these steps of the loss of the batch before its update, (K,) float64; NaN or
            inf as soon as one of the losses was not finite.
        """
        ...

    def evaluate(self, split: str, trials: Tensor) -> Measures:
        """Measure the present model of some trials on a whole split.

        Args:
            split: "train", "valid" or "test".
            trials: which, (K,) bool.

        Returns:
            "loss" and one entry for each metric, (K,) float64; what the other trials have is
            without meaning.
        """
        ...

    def keep_best(self, improved: Tensor) -> None:
        """Remember the present state of the trials in the mask, (K,) bool."""
        ...

    def restore_best(self, trials: Tensor) -> None:
        """Bring back the remembered state of some trials, (K,) bool, if they have one.

        They have left and train no more.
        """
        ...

    def leave(self, leaving: Tensor) -> None:
        """Stop training the trials in the mask, (K,) bool; their state stays as it is."""
        ...

    def weights(self, trial: int) -> dict[str, Tensor]:
        """Return the present parameters and buffers of one trial, by name."""
        ...


@runtime_checkable
class Refillable(Protocol):
    """A learner in which a trial that has left can be replaced by another."""

    def enter(self, trial: int, parts: Parts) -> None:
        """Let a trial that has not begun take the place of one that has left."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A learner whose training can be continued by another one, in another process."""

    def state(self) -> State:
        """Return everything that its next step depends on; valid until that step."""
        ...

    def load_state(self, state: State, *, n_steps: int, n_next: int) -> None:
        """Go on where a learner of the same parts was, bit for bit.

        Args:
            state: what `state` returned there.
            n_steps: steps made there until `advance` last returned, >= 0.
            n_next: steps of the `advance` after that, of which a part may be made, >= 0.

        Raises:
            CheckpointError: the state is of other parts.
        """
        ...
