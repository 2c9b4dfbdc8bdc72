"""The linear parametrization, the first of the source text; the other models are made of it.

Activations are in `activation.py`, the models in a file each.
"""

import math

import torch
from torch import Tensor, nn

from ermlab.model.activation import Activation, find_activation

# A model that can be written so is stacked by written-out products (loop/chain.py).
Chain = list[tuple["Linear", Activation]]


class Linear(nn.Module):
    """f(x; H) = x H + b, with x in rows as in the source text.

    Args:
        n_inputs: n, length of a row of x.
        n_outputs: m, length of a row of y.
        bias: whether b is there; the source has none.
        init: "zeros" (the source), "uniform" (entries uniform on [0, 1)) or "fan_in"
            (uniform on +-1/sqrt(n), which keeps the variance of layers in bounds).

    Source:
        fan_in: LeCun et al. (1998), "Efficient BackProp", section 4.6; torch.nn.Linear does so.
    """

    def __init__(self, *, n_inputs: int, n_outputs: int, bias: bool, init: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_inputs, n_outputs))  # H, (n, m)
        self.bias = nn.Parameter(torch.empty(n_outputs)) if bias else None  # b, (m,)
        for parameter in self.parameters():
            start(parameter, init=init, n_inputs=n_inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows: (B, n) -> (B, m)."""
        if self.bias is None:
            return x @ self.weight
        return torch.addmm(self.bias, x, self.weight)

    def chain(self) -> "Chain":
        """Name the affine maps and activations that make this model, first to last."""
        return [(self, find_activation("identity"))]


@torch.no_grad()
def start(parameter: Tensor, *, init: str, n_inputs: int) -> None:
    """Fill a parameter in place with its first values, drawn from torch's global generator.

    Args:
        parameter: any shape.
        init: "zeros", "uniform" or "fan_in" (see `Linear`).
        n_inputs: n, how many inputs one output of the layer adds up.
    """
    bound = 1 / math.sqrt(n_inputs)
    if init == "zeros":
        parameter.zero_()
    elif init == "uniform":
        parameter.uniform_(0, 1)
    else:
        parameter.uniform_(-bound, bound)
