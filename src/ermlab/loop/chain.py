"""The stacked program of a chain of affine maps and activations, with its gradient written out.

Every model of `ermlab.model` is such a chain (its method `chain` says so). There is no autograd,
whose dispatch costs more than the arithmetic of a small model. What acts on each number alone is
done for all models at once; each block of equal models has products of its own, so that no model
pays for the width or the batch of another. All results go to buffers, which are made once. The
reference is autograd in `single.py`, to which the tests hold it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ermlab.loop.packing import Packing
from ermlab.loop.stacked_batches import Batch
from ermlab.objective import RowLoss

Call = tuple[
    Callable[..., Any], tuple[Any, ...], Tensor
]  # function, operands, where the result goes
Pair = tuple[Tensor, Tensor | None]  # weight and bias


class Pointwise(Protocol):
    """An activation that knows its derivative (see `ermlab.model.activation.Activation`)."""

    @property
    def in_place(self) -> Callable[[Tensor], Tensor] | None:
        """The same, written over its input; None where the derivative needs the input."""
        ...

    @property
    def backward(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """(gradient at the output, input, output): turns the first into that at the input."""
        ...

    @property
    def keeps_zero(self) -> bool:
        """Whether zero is mapped to zero."""
        ...

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed."""
        ...

    def __call__(self, z: Tensor) -> Tensor:
        """Map each entry."""
        ...


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the chain: whether it has a bias, and its activation."""

    has_bias: bool
    activation: Pointwise


@dataclass(frozen=True, kw_only=True, eq=False)
class _Values:
    """What one layer computes for all models, flat, one block behind the other.

    Args:
        sums: z = x H + b.
        outputs: sigma(z); may be the same tensor.
        slopes: the gradient at the outputs, then at the sums.
        starts: where each block begins.
        widths: n_l, outputs of the layer, for each block.
    """

    sums: Tensor
    outputs: Tensor
    slopes: Tensor
    starts: Sequence[int]
    widths: Sequence[int]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Products:
    """The products of each layer, for some blocks: the forward and the backward pass."""

    forward: list[list[Call]]
    backward: list[list[Call]]


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
        self._counts: list[int] = []
        self._params: list[list[Pair]] = []  # of each block, for each layer
        self._grads: list[list[Pair]] = []
        self._masks: list[list[Tensor | None]] = []
        self._x: Tensor | None = None  # the buffer that the products read
        self._values: list[_Values] = []
        self._starts: Sequence[int] = ()  # of each block in it
        self._found: dict[tuple[int, int], _Products] = {}  # by block and B
        self._sizes: Sequence[int] = ()
        self._products = _Products(forward=[], backward=[])  # those of these sizes

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the vectors (P,) to read parameters from and to write gradients to."""
        blocks = range(len(packing.counts))
        self._counts = packing.counts
        self._params = [self._pairs(packing.layers(params, block)) for block in blocks]
        self._grads = [self._pairs(packing.layers(grads, block)) for block in blocks]
        self._masks = [self._find_masks(packing, block, params) for block in blocks]
        self._x = None

    def differentiate(self, batch: Batch) -> Tensor:
        """Write the gradient of each model's batch loss; return the losses of the rows, (R,)."""
        if batch.x is not self._x:
            self._make_values(batch)
        products = self._find_products(batch.sizes)
        for values, layer, calls in zip(self._values, self._layers, products.forward, strict=True):
            for function, operands, out in calls:
                function(*operands, out=out)
            if layer.activation.in_place is not None:
                layer.activation.in_place(values.sums)
            else:
                values.outputs.copy_(layer.activation(values.sums))
        last = self._values[-1]
        shape = (len(batch.x), -1)  # (R, m)
        losses = self._loss.differentiate(
            last.outputs.view(shape), batch.y, batch.share, last.slopes.view(shape)
        )  # (R,)
        for i in reversed(range(len(self._layers))):
            values = self._values[i]
            self._layers[i].activation.backward(values.slopes, values.sums, values.outputs)
            for function, operands, out in products.backward[i]:
                function(*operands, out=out)
        return losses

    pads_rows = True

    def replace(self, model: int, module: nn.Module) -> None:
        """Nothing to do: nothing is kept of a module beside its parameters."""

    def predict(self, parameters: Sequence[Tensor], model: int, x: Tensor) -> Tensor:
        """Map rows x, (Q, n), by one model: (Q, m)."""
        for (weight, bias), layer in zip(self._pairs(parameters), self._layers, strict=True):
            z = torch.mm(x, weight) if bias is None else torch.addmm(bias, x, weight)
            x = layer.activation(z)
        return x

    def _make_values(self, batch: Batch) -> None:
        """Make the buffers of all layers for the rows of a batch, shorter ones included."""
        self._x, self._starts, self._found, self._sizes = batch.x, batch.starts, {}, ()
        n_rows = [end - start for start, end in pairwise([*batch.starts, len(batch.x)])]
        self._values = []
        for i, layer in enumerate(self._layers):
            widths = [pairs[i][0].shape[-1] for pairs in self._params]
            sizes = [rows * width for rows, width in zip(n_rows, widths, strict=True)]
            starts = list(accumulate(sizes, initial=0))
            sums = batch.x.new_zeros(starts[-1])
            outputs = sums if layer.activation.in_place else torch.zeros_like(sums)
            # The gradient of the loss is written over the predictions, if nothing needs these.
            is_free = i == len(self._layers) - 1 and layer.activation.is_identity
            slopes = outputs if is_free else torch.zeros_like(sums)
            self._values.append(
                _Values(
                    sums=sums, outputs=outputs, slopes=slopes, starts=starts[:-1], widths=widths
                )
            )

    def _find_products(self, sizes: Sequence[int]) -> _Products:
        """Gather the products of all blocks, whose batches have these lengths."""
        if sizes is self._sizes:
            return self._products
        for key in enumerate(sizes):
            if key not in self._found:
                self._found[key] = self._make_products(*key)
        each = [self._found[key] for key in enumerate(sizes)]
        layers = range(len(self._layers))
        self._sizes, self._products = (
            sizes,
            _Products(
                forward=[[call for one in each for call in one.forward[i]] for i in layers],
                backward=[[call for one in each for call in one.backward[i]] for i in layers],
            ),
        )
        return self._products

    def _make_products(self, block: int, size: int) -> _Products:
        n_models = self._counts[block]
        assert self._x is not None, "made for a batch"
        n_inputs = self._x.shape[1]
        start = self._starts[block] * n_inputs
        inputs = _rows(self._x.view(-1), start, (n_models, size, n_inputs))
        products = _Products(forward=[], backward=[])
        slope_before: Tensor | None = None
        for i, values in enumerate(self._values):
            shape = (n_models, size, values.widths[block])
            sums, outputs, slopes = (
                _rows(flat, values.starts[block], shape)
                for flat in (values.sums, values.outputs, values.slopes)
            )
            weight, bias = self._params[block][i]
            weight_grad, bias_grad = self._grads[block][i]
            mask = self._masks[block][i]
            products.forward.append([_affine(inputs, weight, bias, sums)])
            backward = [_product(inputs.mT, slopes, weight_grad)]
            if mask is not None:
                backward.append((torch.mul, (weight_grad, mask), weight_grad))
            if bias_grad is not None:
                backward.append((torch.sum, (slopes, -2), bias_grad.view(slopes[..., 0, :].shape)))
            if slope_before is not None:
                backward.append(_product(slopes, weight.mT, slope_before))
            products.backward.append(backward)
            inputs, slope_before = outputs, slopes
        return products

    def _find_masks(self, packing: Packing, block: int, like: Tensor) -> list[Tensor | None]:
        weights = [2 * i if layer.has_bias else i for i, layer in enumerate(self._layers)]
        before = [None, *(layer.activation for layer in self._layers[:-1])]
        return [
            None if sigma is None or sigma.keeps_zero else packing.mask(position, block, like)
            for position, sigma in zip(weights, before, strict=True)
        ]

    def _pairs(self, tensors: Sequence[Tensor]) -> list[Pair]:
        rest = iter(tensors)
        return [(next(rest), next(rest) if layer.has_bias else None) for layer in self._layers]


def _rows(flat: Tensor, start: int, shape: tuple[int, int, int]) -> Tensor:
    """View a part of a flat buffer as (K_b, B, n), or as (B, n) for one model."""
    part = flat[start : start + math.prod(shape)]
    return part.view(shape if shape[0] > 1 else shape[1:])


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> Call:
    """x H + b: (K_b, B, n), (K_b, n, m), (K_b, m) -> (K_b, B, m), or without K_b for one model."""
    if bias is None:
        return _product(x, weight, out)
    if x.ndim == 2:
        return torch.addmm, (bias[0], x, weight[0]), out
    return torch.baddbmm, (bias[:, None], x, weight), out


def _product(a: Tensor, b: Tensor, out: Tensor) -> Call:
    """a b; the parameters have K_b dimensions even for one model, the rows do not."""
    if a.ndim == b.ndim == out.ndim == 3:
        return torch.bmm, (a, b), out
    a, b, out = (each.view(each.shape[-2:]) if each.ndim == 3 else each for each in (a, b, out))
    return torch.mm, (a, b), out
