"""SGD, momentum, Adam and AdamW with one scalar per key, so that each can be swept.

They compute what `torch.optim` computes, through its functional form: the same kernels without the
class around them, which imports torch._dynamo (as slow to import as torch itself) and costs more
per step than the arithmetic of a small model. Any `torch.optim` class can be used instead, by
`_target_`. The tests hold these rules to torch.optim.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from ermlab.errors import CheckpointError


class Momentum:
    """Gradient descent with a running sum of gradients, b <- momentum b + g, H <- H - lr b.

    Args:
        params: the parameters, changed in place; those without a gradient stay as they are.
        lr: step size, > 0.
        weight_decay: lambda in g + lambda H, >= 0.
        momentum: decay of the sum per step, in [0, 1).
        nesterov: whether the step looks ahead, H <- H - lr (g + momentum b).

    Source:
        Sutskever et al. (2013), in the form of torch.optim.SGD: b starts as the first gradient.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float,
        weight_decay: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        self._params = [p for p in params if p.requires_grad]
        self._sums: list[Tensor | None] = [None] * len(self._params)
        self._fused = has_fused_kernels(self._params)
        self.numbers: dict[str, float | bool] = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
        }
        self._options: dict[str, Any] = {**self.numbers, "dampening": 0.0, "maximize": False}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        clear_gradients(self._params)

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters from their gradients."""
        index = [i for i, p in enumerate(self._params) if p.grad is not None]
        sums = [self._sums[i] for i in index]
        # The fused kernel starts all sums at once or none.
        fused = self._fused and len({held is None for held in sums}) == 1
        sgd(
            [self._params[i] for i in index],
            [p.grad for p in self._params if p.grad is not None],
            sums,
            fused=fused,
            foreach=False,
            **self._options,
        )
        for i, held in zip(index, sums, strict=True):
            self._sums[i] = held

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step depends on beside the parameters: the running sums."""
        return {"sums": list(self._sums)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            CheckpointError: it is of other parameters.
        """
        begun = [held is not None for held in state["sums"]]
        targets = [torch.zeros_like(p) for p in self._params]
        _copy(
            [held for held in state["sums"] if held is not None],
            [target for target, is_begun in zip(targets, begun, strict=True) if is_begun],
        )
        pairs = zip(targets, begun, strict=True)
        self._sums = [target if is_begun else None for target, is_begun in pairs]


class Sgd(Momentum):
    """Stochastic gradient descent, H <- H - lr (g + weight_decay H).

    Args:
        params: the parameters, changed in place.
        lr: step size, > 0.
        weight_decay: lambda, >= 0.

    Source:
        Robbins and Monro (1951).
    """

    def __init__(self, params: Iterable[Tensor], *, lr: float, weight_decay: float) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, momentum=0.0, nesterov=False)


class Adam:
    """Adam: steps scaled by running means of the gradient and of its square.

    Args:
        params: the parameters, changed in place; those without a gradient stay as they are.
        lr: step size, > 0.
        beta1: decay of the mean of the gradient per step, in [0, 1).
        beta2: decay of the mean of its square per step, in [0, 1).
        eps: added to the denominator, > 0.
        weight_decay: lambda in g + lambda H, >= 0 (AdamW: subtracts lr lambda H instead).

    Source:
        Kingma and Ba (2015), algorithm 1.
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        self._params = [p for p in params if p.requires_grad]
        self._means = [torch.zeros_like(p) for p in self._params]
        self._squares = [torch.zeros_like(p) for p in self._params]
        fused = has_fused_kernels(self._params)
        device = self._params[0].device if fused and self._params else "cpu"
        self._steps = [torch.zeros((), dtype=torch.float32, device=device) for _ in self._params]
        self.numbers: dict[str, float | bool] = {
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        self._options: dict[str, Any] = {
            **self.numbers,
            "amsgrad": False,
            "maximize": False,
            "capturable": False,
            "differentiable": False,
            "foreach": False,
            "fused": fused,
        }

    def zero_grad(self) -> None:
        """Forget the gradients."""
        clear_gradients(self._params)

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters from their gradients."""
        index = [i for i, p in enumerate(self._params) if p.grad is not None]
        adam(
            [self._params[i] for i in index],
            [p.grad for p in self._params if p.grad is not None],
            [self._means[i] for i in index],
            [self._squares[i] for i in index],
            [],
            [self._steps[i] for i in index],
            decoupled_weight_decay=self._decoupled,
            **self._options,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step depends on beside the parameters: means and step counts."""
        return {"means": self._means, "squares": self._squares, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            CheckpointError: it is of other parameters.
        """
        for name, targets in self.state_dict().items():
            _copy(state[name], targets)


class AdamW(Adam):
    """Adam with decoupled weight decay (see `Adam`).

    Source:
        Loshchilov and Hutter (2019), algorithm 2.
    """

    _decoupled = True


def clear_gradients(params: Iterable[Tensor]) -> None:
    """Forget the gradients, so that the next backward pass writes instead of adding."""
    for parameter in params:
        parameter.grad = None


def _copy(values: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    """Copy numbers into tensors of the same shapes and types, (n, m) and so on."""
    kinds, wanted = ([(tuple(t.shape), t.dtype) for t in each] for each in (values, targets))
    if kinds != wanted:
        raise CheckpointError(
            f"the optimizer's state has the shapes {_shapes(values)}, not {_shapes(targets)}",
            where="optimizer",
            fix="continue with the optimizer and the model that the state was saved with",
        )
    for value, target in zip(values, targets, strict=True):
        target.copy_(value)


def _shapes(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{tuple(tensor.shape)} {tensor.dtype}" for tensor in tensors) or "of none"


def has_fused_kernels(params: Iterable[Tensor]) -> bool:
    """Whether torch has one kernel for the whole update: floating point on the CPU or a GPU."""
    return all(
        p.is_floating_point() and p.device.type in ("cpu", "cuda") and p.layout == torch.strided
        for p in params
    )
