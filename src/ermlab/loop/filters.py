"""The stacked program of banks of graph filters and activations, with its gradient written out.

Each trial has a graph of its own. The signals of all rows of a batch stand beside each other, so
that a shift is one product for each block of equal models; unlike ones have products of their own,
as in `chain.py`. The reference is autograd in `single.py`, to which the tests hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from ermlab.errors import StackError
from ermlab.loop.chain import Layer, Pair
from ermlab.loop.packing import Packing
from ermlab.loop.stacked_batches import Batch
from ermlab.objective import RowLoss


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What the backward pass needs of one layer of a block.

    Args:
        shifted: the signals before it under each power of S, (K_b, N B, K F).
        sums: what the filters give, (K_b, N B, G); written over where the derivative allows it.
        outputs: sigma of that, (K_b, N B, G).
    """

    shifted: Tensor
    sums: Tensor
    outputs: Tensor


class FilterEngine:
    """Several graph filters or graph neural networks at once (see `Engine`).

    Where a block holds unlike models, padded to the most taps and features, the gradient of the
    padding is masked, so that it stays zero.

    Args:
        layers: first to last; the same in each model. Parameters come in the order weight
            (K, F, G), bias (G,).
        shifts: S of each model, (N, N) and dense, of one N.
        loss: a mean over rows that knows its gradient.
    """

    def __init__(self, layers: Sequence[Layer], shifts: Sequence[Tensor], loss: RowLoss) -> None:
        self._layers = list(layers)
        self._shifts = list(shifts)
        self._loss = loss
        self._params: list[list[Pair]] = []  # of each block, for each layer
        self._grads: list[list[Pair]] = []
        self._masked: list[tuple[Tensor, Tensor]] = []  # gradients and where they are real
        self._graphs: list[Tensor] = []  # of each block, (K_b, N, N)
        self._x: Tensor | None = None  # the buffer of a batch, for which these two were made
        self._predictions = self._slopes = torch.empty(0)

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the vectors (P,) to read parameters from and to write gradients to."""
        blocks = range(len(packing.counts))
        self._params = [self._pairs(packing.layers(params, block)) for block in blocks]
        self._grads = [self._pairs(packing.layers(grads, block)) for block in blocks]
        self._masked = [
            (values, mask)
            for block in blocks
            for place, values in enumerate(packing.layers(grads, block))
            if (mask := packing.mask(place, block, params)) is not None
        ]
        starts = accumulate(packing.counts, initial=0)
        self._graphs = [
            torch.stack([self._shifts[model] for model in models[start : start + count]])
            for start, count in zip(starts, packing.counts, strict=False)
        ]
        self._x = None

    def differentiate(self, batch: Batch) -> Tensor:
        """Write the gradient of each model's batch loss; return the losses of the rows, (R,)."""
        target = batch.y.flatten(1) if batch.y.ndim > 2 else batch.y
        places = list(zip(batch.starts, batch.sizes, self._graphs, strict=True))
        passes = []
        for block, (start, size, graph) in enumerate(places):
            rows = batch.x[start : start + len(graph) * size]
            z, seen = self._forward(_to_nodes(rows, graph), graph, self._params[block])
            if batch.x is not self._x:
                self._make_buffers(batch, z.shape[-1] * graph.shape[-1])
            found = self._predictions[start : start + len(rows)]
            found.view(len(graph), size, -1, z.shape[-1]).copy_(_to_rows(z, size))
            passes.append(seen)
        losses = self._loss.differentiate(self._predictions, target, batch.share, self._slopes)
        for block, (start, size, graph) in enumerate(places):
            slopes = _to_nodes(self._slopes[start : start + len(graph) * size], graph)
            self._backward(slopes, passes[block], graph, block)
        for values, mask in self._masked:
            values.mul_(mask)
        return losses

    pads_rows = True

    def replace(self, model: int, module: nn.Module) -> None:
        """Let another module, with a graph of its own, be the stack's model of a number.

        Raises:
            StackError: its graph is kept sparse, or has another number of nodes.
        """
        shift = module.filters()[0]  # type: ignore[operator]  # it is of the same program
        if shift.is_sparse or shift.n_nodes != len(self._shifts[model]):
            raise StackError(
                f"{type(module).__name__} cannot be stacked with others: its graph of "
                f"{shift.n_nodes} nodes is kept {'sparse' if shift.is_sparse else 'dense'}, theirs "
                f"of {len(self._shifts[model])} nodes dense",
                where="model.sparse",
                fix="set model.sparse=false",
            )
        self._shifts[model] = shift.dense

    def predict(self, parameters: Sequence[Tensor], model: int, x: Tensor) -> Tensor:
        """Map rows x, (Q, N) or (Q, N, F), by one model: (Q, N), or (Q, N, G) if G > 1."""
        graph = self._shifts[model][None]
        pairs = self._pairs([parameter[None] for parameter in parameters])
        z, _ = self._forward(_to_nodes(x, graph), graph, pairs)
        rows = _to_rows(z, len(x))[0]  # (Q, N, G)
        return rows.squeeze(-1) if rows.shape[-1] == 1 else rows

    def _forward(
        self, z: Tensor, graph: Tensor, pairs: Sequence[Pair]
    ) -> tuple[Tensor, list[_Seen]]:
        """Map signals (K_b, N B, F) to (K_b, N B, G)."""
        seen = []
        for (weight, bias), layer in zip(pairs, self._layers, strict=True):
            n_models, taps, n_inputs, n_outputs = weight.shape
            powers = [z]
            for _ in range(taps - 1):
                flat = powers[-1].view(n_models, graph.shape[-1], -1)  # (K_b, N, B F)
                powers.append(torch.bmm(graph, flat).view(z.shape))
            shifted = torch.cat(powers, -1) if taps > 1 else z  # (K_b, N B, K F)
            matrix = weight.reshape(n_models, taps * n_inputs, n_outputs)  # (K_b, K F, G)
            sums = (
                torch.bmm(shifted, matrix)
                if bias is None
                else torch.baddbmm(bias[:, None], shifted, matrix)
            )
            in_place = layer.activation.in_place
            z = layer.activation(sums) if in_place is None else in_place(sums)
            seen.append(_Seen(shifted=shifted, sums=sums, outputs=z))
        return z, seen

    def _backward(self, slopes: Tensor, seen: Sequence[_Seen], graph: Tensor, block: int) -> None:
        """Write the gradients of a block from those of its predictions, (K_b, N B, G)."""
        for i in reversed(range(len(self._layers))):
            weight, weight_grad, bias_grad = self._params[block][i][0], *self._grads[block][i]
            n_models, taps, n_inputs, n_outputs = weight.shape
            slopes = self._layers[i].activation.backward(slopes, seen[i].sums, seen[i].outputs)
            flat = (n_models, taps * n_inputs, n_outputs)
            torch.bmm(seen[i].shifted.mT, slopes, out=weight_grad.view(flat))
            if bias_grad is not None:
                torch.sum(slopes, 1, out=bias_grad)
            if i == 0:
                return
            before = torch.bmm(slopes, weight.view(flat).mT)  # (K_b, N B, K F)
            powers = before.view(n_models, graph.shape[-1], -1, taps, n_inputs).unbind(-2)
            total = powers[-1].flatten(2)  # (K_b, N, B F)
            for power in reversed(powers[:-1]):
                total = torch.baddbmm(power.flatten(2), graph.mT, total)
            slopes = total.view(n_models, -1, n_inputs)

    def _make_buffers(self, batch: Batch, n_outputs: int) -> None:
        self._x = batch.x
        self._predictions = batch.x.new_zeros(len(batch.x), n_outputs)
        self._slopes = torch.zeros_like(self._predictions)

    def _pairs(self, tensors: Sequence[Tensor]) -> list[Pair]:
        rest = iter(tensors)
        return [(next(rest), next(rest) if layer.has_bias else None) for layer in self._layers]


def _to_nodes(rows: Tensor, graph: Tensor) -> Tensor:
    """Turn rows of all models of a block, (K_b B, N F), into signals, (K_b, N B, F)."""
    n_models, n_nodes = graph.shape[:2]
    nodes = rows.reshape(n_models, len(rows) // n_models, n_nodes, -1).transpose(1, 2)
    return nodes.reshape(n_models, -1, nodes.shape[-1])


def _to_rows(z: Tensor, n_rows: int) -> Tensor:
    """Turn signals, (K_b, N B, G), into a view of rows, (K_b, B, N, G)."""
    return z.view(len(z), -1, n_rows, z.shape[-1]).transpose(1, 2)
