"""The stacked program of any module that torch.func can vectorize, gradients by autograd.

Slower than `chain.py` by several times and still faster than one by one; serves modules of which
nothing is known. Rows are never padded here, since a module may mix the rows of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from ermlab.loop.packing import Packing
from ermlab.loop.stacked_batches import Batch
from ermlab.objective import Loss


class VmapEngine:
    """K modules of one class and shape at once (see `Engine`).

    Args:
        modules: the K modules; their buffers are read, and must not change in training.
        loss: any mean loss of a batch.
    """

    def __init__(self, modules: Sequence[nn.Module], loss: Loss) -> None:
        self._module = modules[0]
        self._names = [name for name, _ in self._module.named_parameters()]
        self._buffers = [dict(module.named_buffers()) for module in modules]
        self._loss = loss
        self._params: list[Tensor] = []
        self._grads: list[Tensor] = []
        self._bound: dict[str, Tensor] = {}
        self._step = vmap(grad_and_value(self._loss_of), randomness="error")

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the vectors (P,) to read parameters from and to write gradients to."""
        assert len(packing.counts) == 1, (
            "the planner puts equal models and batches into a stack of foreign modules"
        )
        self._params, self._grads = packing.layers(params, 0), packing.layers(grads, 0)
        chosen = [self._buffers[model] for model in models]
        self._bound = {name: torch.stack([each[name] for each in chosen]) for name in chosen[0]}

    def differentiate(self, batch: Batch) -> Tensor:
        """Write the gradient of each model's batch loss; return the loss of its batch, (R,)."""
        (size,) = batch.sizes
        n_models = len(self._params[0])
        # A block's place is longer than its rows where the last batch of an epoch is short.
        x, y = (
            rows[: n_models * size].view(n_models, size, *rows.shape[1:])
            for rows in (batch.x, batch.y)
        )
        self._module.train()
        named = dict(zip(self._names, self._params, strict=True))
        grads, losses = self._step(named, self._bound, x, y)  # losses: (K,)
        for name, target in zip(self._names, self._grads, strict=True):
            target.copy_(grads[name])
        result: Tensor = losses.new_zeros(len(batch.x))
        result[: n_models * size].view(n_models, size).copy_(losses[:, None])
        return result

    pads_rows = False

    def replace(self, model: int, module: nn.Module) -> None:
        """Let another module be the stack's model of a number."""
        self._buffers[model] = dict(module.named_buffers())

    def predict(self, parameters: Sequence[Tensor], model: int, x: Tensor) -> Tensor:
        """Map rows x, (Q, ...), by one model: (Q, ...)."""
        self._module.eval()
        named = dict(zip(self._names, parameters, strict=True))
        return self._call(named, self._buffers[model], x)

    def _loss_of(
        self, params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> Tensor:
        return self._loss(self._call(params, buffers, x), y)

    def _call(self, params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        result: Tensor = functional_call(self._module, (params, buffers), (x,))
        return result
