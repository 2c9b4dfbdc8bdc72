"""The losses that training minimizes, and the metrics that are measured beside them.

A loss is any callable `loss(prediction, target)` that returns the mean over the rows of a batch,
(); `torch.nn` losses serve as they are. Ours say besides which predictions they accept, and may
carry `metrics`: a mapping from a name to a callable of the same form.
"""

from collections.abc import Callable, Mapping
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


class RowLoss(Loss, Protocol):
    """A loss that is a mean over rows and knows its gradient: what a stack with padding needs."""

    def differentiate(
        self, prediction: Tensor, target: Tensor, share: Tensor, out: Tensor, /
    ) -> Tensor:
        """Return the loss of each row, (R,), and write the gradient of a sum of them.

        Args:
            prediction: (R, m).
            target: (R, ...).
            share: what each row counts in the sum, (R, 1): 1 / B in the mean over a batch.
            out: where the gradient goes, (R, m); may be the prediction itself.
        """
        ...


Metric = Callable[[Tensor, Tensor], Tensor]


class SquaredError:
    """Squared error, the mean over rows of the mean (or sum) over outputs of (f(x) - y)^2.

    Args:
        outputs: "mean", as in the source text's scripts, or "sum", the squared norm |y - f(x)|^2.
    """

    def __init__(self, *, outputs: str) -> None:
        self.outputs = outputs

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, (), from two tensors of one shape (B, m)."""
        loss = F.mse_loss(prediction, target)
        return loss * target[0].numel() if self.outputs == "sum" else loss

    def differentiate(
        self, prediction: Tensor, target: Tensor, share: Tensor, out: Tensor
    ) -> Tensor:
        """Return the loss of each row and write the gradient (see `RowLoss`)."""
        scale = 1.0 if self.outputs == "sum" else 1.0 / prediction.shape[-1]
        error = torch.sub(prediction, target, out=out)  # (R, m)
        losses: Tensor = torch.linalg.vector_norm(error, dim=1).square_().mul_(scale)
        error.mul_(share * (2 * scale))
        return losses

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
        self.label_smoothing = label_smoothing
        self.metrics: Mapping[str, Metric] = {"accuracy": accuracy}

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, (), from logits (B, C) and labels (B,)."""
        return F.cross_entropy(prediction, target, label_smoothing=self.label_smoothing)

    def differentiate(
        self, prediction: Tensor, target: Tensor, share: Tensor, out: Tensor
    ) -> Tensor:
        """Return the loss of each row and write the gradient (see `RowLoss`)."""
        smooth = self.label_smoothing
        losses = F.cross_entropy(prediction, target, label_smoothing=smooth, reduction="none")
        slope = prediction.softmax(-1).sub_(smooth / prediction.shape[-1])
        at_label = slope.new_full((), smooth - 1).expand(len(target), 1)
        slope.scatter_add_(-1, target[:, None], at_label)  # softmax - target
        torch.mul(slope, share, out=out)
        return losses

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
