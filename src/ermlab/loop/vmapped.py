"""The stacked program of any module that torch.func can vectorize, gradients by autograd.

Slower than `chain.py` by several times and still faster than one by one; serves modules of which
nothing is known. Rows are never padded here, since a module may mix the rows of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from ermlab.loop.packing import Packing
from ermlab.objective import BatchRows, Loss


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
        self._map = vmap(self._call, in_dims=(0, 0, None), randomness="error")

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the matrices (K, P) to read parameters from and to write gradients to."""
        self._params, self._grads = packing.layers(params), packing.layers(grads)
        self._bound = self._stack_buffers(models)

    def differentiate(self, x: Tensor, y: Tensor, rows: BatchRows) -> Tensor:
        """Write the gradient of each model's batch loss; return the losses, (K,)."""
        assert rows.is_real is None, (
            "the planner puts equal batches into a stack of foreign modules"
        )
        self._module.train()
        named = dict(zip(self._names, self._params, strict=True))
        grads, losses = self._step(named, self._bound, x, y)
        for name, target in zip(self._names, self._grads, strict=True):
            target.copy_(grads[name])
        result: Tensor = losses
        return result

    def predict(self, packing: Packing, params: Tensor, models: Sequence[int], x: Tensor) -> Tensor:
        """Map the same rows x, (Q, ...), by some of the models: (K', Q, ...)."""
        self._module.eval()
        named = dict(zip(self._names, packing.layers(params), strict=True))
        result: Tensor = self._map(named, self._stack_buffers(models), x)
        return result

    def _loss_of(
        self, params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> Tensor:
        return self._loss(self._call(params, buffers, x), y)

    def _call(self, params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        result: Tensor = functional_call(self._module, (params, buffers), (x,))
        return result

    def _stack_buffers(self, models: Sequence[int]) -> dict[str, Tensor]:
        chosen = [self._buffers[model] for model in models]
        return {name: torch.stack([each[name] for each in chosen]) for name in chosen[0]}
