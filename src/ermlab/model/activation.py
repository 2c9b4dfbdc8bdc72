"""The pointwise activations that a model can be given by name, each with its derivative.

The derivatives are for learners that write the backward pass out; autograd does not need them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ermlab.errors import ConfigError, name_known

aten = torch.ops.aten

LEAK = 0.01  # slope of leaky_relu below zero, torch's default


@dataclass(frozen=True, kw_only=True)
class Activation:
    """A pointwise function sigma.

    Args:
        function: z -> sigma(z), any shape.
        in_place: the same, written over z; None where the derivative needs z.
        backward: (gradient at sigma(z), z, sigma(z)) -> gradient at z, written over the first;
            what autograd computes, by the same kernel. z may have been written over if `in_place`
            is given.
        keeps_zero: whether sigma(0) = 0.
        is_identity: whether sigma(z) = z.
    """

    function: Callable[[Tensor], Tensor]
    in_place: Callable[[Tensor], Tensor] | None
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]
    keeps_zero: bool
    is_identity: bool = False

    def __call__(self, z: Tensor) -> Tensor:
        """Return sigma(z), the same shape."""
        return self.function(z)


ACTIVATIONS = {
    "relu": Activation(
        function=torch.relu,
        in_place=torch.relu_,
        backward=lambda g, _, a: aten.threshold_backward.grad_input(g, a, 0, grad_input=g),
        keeps_zero=True,
    ),
    "tanh": Activation(
        function=torch.tanh,
        in_place=torch.tanh_,
        backward=lambda g, _, a: aten.tanh_backward.grad_input(g, a, grad_input=g),
        keeps_zero=True,
    ),
    "sigmoid": Activation(
        function=torch.sigmoid,
        in_place=torch.sigmoid_,
        backward=lambda g, _, a: aten.sigmoid_backward.grad_input(g, a, grad_input=g),
        keeps_zero=False,
    ),
    "gelu": Activation(
        function=F.gelu,
        in_place=None,
        backward=lambda g, z, _: aten.gelu_backward.grad_input(g, z, grad_input=g),
        keeps_zero=True,
    ),
    "leaky_relu": Activation(
        function=lambda z: F.leaky_relu(z, LEAK),
        in_place=lambda z: F.leaky_relu_(z, LEAK),
        backward=lambda g, _, a: aten.leaky_relu_backward.grad_input(
            g, a, LEAK, True, grad_input=g
        ),
        keeps_zero=True,
    ),
    "identity": Activation(
        function=lambda z: z,
        in_place=lambda z: z,
        backward=lambda g, _z, _a: g,
        keeps_zero=True,
        is_identity=True,
    ),
}


def find_activation(name: str) -> Activation:
    """Look up a pointwise activation.

    Raises:
        ConfigError: the name is unknown.
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        raise ConfigError(
            f"there is no activation {name!r}",
            where="model.activation",
            fix=f"use one of: {name_known(ACTIVATIONS)}",
        ) from None
