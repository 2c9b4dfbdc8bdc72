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


@dataclass(frozen=True)
class Activation:
    """A pointwise function sigma.

    Args:
        function: z -> sigma(z), any shape.
        backward: (gradient at sigma(z), z, sigma(z)) -> gradient at z, the same shape; what
            autograd computes, by the same kernel.
        keeps_zero: whether sigma(0) = 0.
    """

    function: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]
    keeps_zero: bool

    def __call__(self, z: Tensor) -> Tensor:
        """Return sigma(z), the same shape."""
        return self.function(z)


ACTIVATIONS = {
    "relu": Activation(torch.relu, lambda g, _, a: aten.threshold_backward(g, a, 0), True),
    "tanh": Activation(torch.tanh, lambda g, _, a: aten.tanh_backward(g, a), True),
    "sigmoid": Activation(torch.sigmoid, lambda g, _, a: aten.sigmoid_backward(g, a), False),
    "gelu": Activation(F.gelu, lambda g, z, _: aten.gelu_backward(g, z), True),
    "leaky_relu": Activation(
        lambda z: F.leaky_relu(z, LEAK),
        lambda g, z, _: aten.leaky_relu_backward(g, z, LEAK, False),
        True,
    ),
    "identity": Activation(lambda z: z, lambda g, _z, _a: g, True),
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
