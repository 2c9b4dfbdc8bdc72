"""The stacked program of a chain of affine maps and activations, with its gradient written out.

Every model of `ermlab.model` is such a chain (its method `chain` says so). Forward and backward
are one batched product per layer each, without autograd, whose dispatch costs more than the
arithmetic of a small model. The reference is autograd in `single.py`, to which the tests hold it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ermlab.loop.packing import Packing
from ermlab.objective import BatchRows, RowLoss


class Pointwise(Protocol):
    """An activation that knows its derivative (see `ermlab.model.activation.Activation`)."""

    @property
    def backward(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """(gradient at the output, input, output) -> gradient at the input."""
        ...

    @property
    def keeps_zero(self) -> bool:
        """Whether zero is mapped to zero."""
        ...

    def __call__(self, z: Tensor) -> Tensor:
        """Map each entry."""
        ...


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the chain: whether it has a bias, and its activation."""

    has_bias: bool
    activation: Pointwise


class ChainEngine:
    """K chains at once (see `Engine`).

    Padded hidden units stay exactly zero: their weights are, so their inputs and gradients are;
    where sigma(0) is not zero, the gradient of the padded weights is masked.

    Args:
        layers: first to last; the same in each model. Parameters come in the order weight, bias.
        loss: a mean over rows that knows its gradient.
    """

    def __init__(self, layers: Sequence[Layer], loss: RowLoss) -> None:
        self._layers = list(layers)
        self._loss = loss
        self._params: list[tuple[Tensor, Tensor | None]] = []
        self._grads: list[tuple[Tensor, Tensor | None]] = []
        self._masks: list[Tensor | None] = []

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the matrices (K, P) to read parameters from and to write gradients to."""
        self._params = self._pairs(packing.layers(params))
        self._grads = self._pairs(packing.layers(grads))
        weights = [2 * i if layer.has_bias else i for i, layer in enumerate(self._layers)]
        before = [None, *(layer.activation for layer in self._layers[:-1])]
        self._masks = [
            None if sigma is None or sigma.keeps_zero else packing.mask(position, params)
            for position, sigma in zip(weights, before, strict=True)
        ]

    def differentiate(self, x: Tensor, y: Tensor, rows: BatchRows) -> Tensor:
        """Write the gradient of each model's batch loss; return the losses, (K,)."""
        inputs, sums = [x], []  # x_{l-1} and z_l of each layer, (K, B, n_l)
        for (weight, bias), layer in zip(self._params, self._layers, strict=True):
            sums.append(_affine(inputs[-1], weight, bias))
            inputs.append(layer.activation(sums[-1]))
        loss, slope = self._loss.differentiate(inputs[-1], y, rows)  # (K,), (K, B, m)
        self._propagate(slope, inputs, sums)
        return loss

    def _propagate(self, slope: Tensor, inputs: list[Tensor], sums: list[Tensor]) -> None:
        for i in reversed(range(len(self._layers))):
            slope = self._layers[i].activation.backward(slope, sums[i], inputs[i + 1])
            weight_grad, bias_grad = self._grads[i]
            torch.bmm(inputs[i].transpose(1, 2), slope, out=weight_grad)
            mask = self._masks[i]
            if mask is not None:
                weight_grad.mul_(mask)
            if bias_grad is not None:
                torch.sum(slope, 1, out=bias_grad)
            if i:
                slope = torch.bmm(slope, self._params[i][0].transpose(1, 2))  # (K, B, n_{l-1})

    def predict(self, packing: Packing, params: Tensor, models: Sequence[int], x: Tensor) -> Tensor:
        """Map the same rows x, (Q, n), by some of the models: (K', Q, m)."""
        layers = self._pairs(packing.layers(params))
        hidden = x.expand(len(params), *x.shape)  # (K', Q, n)
        for (weight, bias), layer in zip(layers, self._layers, strict=True):
            hidden = layer.activation(_affine(hidden, weight, bias))
        return hidden

    def _pairs(self, tensors: Sequence[Tensor]) -> list[tuple[Tensor, Tensor | None]]:
        rest = iter(tensors)
        return [(next(rest), next(rest) if layer.has_bias else None) for layer in self._layers]


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(K, B, n), (K, n, m), (K, m) -> (K, B, m)."""
    return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)
