"""The losses that training minimizes, and the metrics that are measured beside them.

A loss is any callable `loss(prediction, target)` that returns the mean over the rows of a batch,
(); `torch.nn` losses serve as they are. Ours say besides which predictions they accept, and may
carry `metrics`: a mapping from a name to a callable of the same form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ermlab.errors import ConfigError, ShapeError


class Loss(Protocol):
    """What a user's loss must be: the mean loss of a batch, a tensor of shape ()."""

    def __call__(self, prediction: Tensor, target: Tensor, /) -> Tensor:
        """Return the mean over the rows of a batch, ()."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchRows:
    """The rows of K batches that are padded to one length B.

    Args:
        share: what each row counts in its batch's mean, (K, B): 1 / rows, or 0 for padding; where
            nothing is padded the number 1 / B.
        is_real: ones, and zeros for padding, (K, B); None where nothing is padded.
    """

    share: Tensor | float
    is_real: Tensor | None


class RowLoss(Loss, Protocol):
    """A loss that is a mean over rows and knows its gradient: what a stack with padding needs."""

    def differentiate(
        self, prediction: Tensor, target: Tensor, rows: BatchRows, /
    ) -> tuple[Tensor, Tensor]:
        """Return the mean loss of each of K batches, (K,), and its gradient, (K, B, m).

        Args:
            prediction: (K, B, m).
            target: (K, B, ...).
            rows: how many rows of each batch are real.
        """
        ...


Metric = Callable[[Tensor, Tensor], Tensor]


class SquaredError:
    """Squared error, the mean over rows of the mean (or sum) over outputs of (f(x) - y)^2.

    Args:
        outputs: "mean", as in the source text's scripts, or "sum", the squared norm |y - f(x)|^2.
    """

    def __init__(self, *, outputs: str) -> None:
        self._outputs = outputs

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, (), from two tensors of one shape (B, m)."""
        loss = F.mse_loss(prediction, target)
        return loss * target[0].numel() if self._outputs == "sum" else loss

    def differentiate(
        self, prediction: Tensor, target: Tensor, rows: BatchRows
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of K batches and their gradients (see `RowLoss`)."""
        scale = 1.0 if self._outputs == "sum" else 1.0 / prediction.shape[-1]
        error = prediction - target  # (K, B, m)
        if isinstance(rows.share, float):
            loss = torch.linalg.vector_norm(error, dim=(1, 2)).square_().mul_(scale * rows.share)
            return loss, error.mul_(2 * scale * rows.share)
        squares = torch.linalg.vector_norm(error, dim=2).square_()  # (K, B)
        loss = squares.mul_(rows.share).sum(1).mul_(scale)
        return loss, error.mul_((2 * scale * rows.share)[..., None])

    def check(self, prediction: Tensor, target: Tensor) -> None:
        """Refuse targets that are class labels, and predictions of another shape.

        Raises:
            ConfigError: the targets are labels.
            ShapeError: the shapes differ, which torch would silently broadcast.
        """
        if not target.is_floating_point():
            raise ConfigError(
                "the targets are class labels, which squared_error does not measure",
                where="loss",
                fix="set loss=cross_entropy",
            )
        if prediction.shape != target.shape:
            raise ShapeError(
                f"the model maps a batch to {_shape(prediction)}, the targets are (B, m) = "
                f"{_shape(target)}",
                where="model.n_outputs",
                fix="let the model return one row of length m for each row of inputs",
            )


class CrossEntropy:
    """Mean over rows of -log softmax(f(x))[y], for class labels y; measures the accuracy besides.

    Args:
        label_smoothing: share of the target spread over all classes, in [0, 1).
    """

    def __init__(self, *, label_smoothing: float) -> None:
        self._label_smoothing = label_smoothing
        self.metrics: Mapping[str, Metric] = {"accuracy": accuracy}

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, (), from logits (B, C) and labels (B,)."""
        return F.cross_entropy(prediction, target, label_smoothing=self._label_smoothing)

    def differentiate(
        self, prediction: Tensor, target: Tensor, rows: BatchRows
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of K batches and their gradients (see `RowLoss`)."""
        loss = self._per_row(prediction, target).mul_(rows.share).sum(1)
        slope = self._slope(prediction, target)
        share = rows.share if isinstance(rows.share, float) else rows.share[..., None]
        return loss, slope.mul_(share)

    def _per_row(self, prediction: Tensor, target: Tensor) -> Tensor:
        n_classes = prediction.shape[-1]
        loss = F.cross_entropy(
            prediction.reshape(-1, n_classes),
            target.reshape(-1),
            label_smoothing=self._label_smoothing,
            reduction="none",
        )
        return loss.view(target.shape)

    def _slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        n_classes = prediction.shape[-1]
        smooth = self._label_smoothing
        slope = prediction.softmax(-1).sub_(smooth / n_classes)
        at_label = slope.new_full((), smooth - 1).expand(*target.shape, 1)
        return slope.scatter_add_(-1, target[..., None], at_label)  # softmax - target

    def check(self, prediction: Tensor, target: Tensor) -> None:
        """Refuse targets that are no labels, and logits that do not have a column per class.

        Raises:
            ConfigError: the targets are numbers.
            ShapeError: the predictions are not (B, C).
        """
        if target.is_floating_point():
            raise ConfigError(
                "the targets are numbers, which cross_entropy does not measure",
                where="loss",
                fix="set loss=squared_error, or give labels as targets (data.labels=true)",
            )
        if prediction.ndim != 2 or len(prediction) != len(target):
            raise ShapeError(
                f"the model maps a batch to {_shape(prediction)}, cross_entropy needs (B, C) for "
                f"labels of shape {_shape(target)}",
                where="model.n_outputs",
                fix="let the model return one column for each class",
            )


def accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of rows whose largest logit is the label's: (B, C), (B,) -> ()."""
    return (prediction.argmax(1) == target).to(torch.get_default_dtype()).mean()


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
