"""The pointwise activations that a model can be given by name."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ermlab.errors import ConfigError, name_known

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "identity": lambda x: x,
}


def find_activation(name: str) -> Callable[[Tensor], Tensor]:
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
