"""The neural network with any number of hidden layers of equal width."""

from itertools import pairwise

from torch import Tensor, nn

from ermlab.model.activation import find_activation
from ermlab.model.linear import Chain, Linear


class Mlp(nn.Module):
    """x_0 = x; x_l = sigma(x_{l-1} H_l + b_l) for l < L; f(x) = x_{L-1} H_L + b_L.

    Args:
        n_inputs: n.
        n_outputs: m.
        hidden_units: h, width of each hidden layer.
        n_layers: L, layers with the output layer counted; 1 is the linear map, 2 is `TwoLayer`.
        bias: whether the b_l are there.
        init: "fan_in", "uniform" or "zeros".
        activation: sigma, a name of `ermlab.model.activation.ACTIVATIONS`.
    """

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int,
        hidden_units: int,
        n_layers: int,
        bias: bool,
        init: str,
        activation: str,
    ) -> None:
        super().__init__()
        widths = [n_inputs, *[hidden_units] * (n_layers - 1), n_outputs]
        self.layers = nn.ModuleList(
            Linear(n_inputs=before, n_outputs=after, bias=bias, init=init)
            for before, after in pairwise(widths)
        )
        self.activation = find_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows: (B, n) -> (B, m)."""
        *hidden, output = self.layers
        for layer in hidden:
            x = self.activation(layer(x))  # (B, h)
        result: Tensor = output(x)
        return result

    def chain(self) -> Chain:
        """Name the affine maps and activations that make this model, first to last."""
        *hidden, output = (layer for layer in self.layers if isinstance(layer, Linear))
        last = (output, find_activation("identity"))
        return [*((layer, self.activation) for layer in hidden), last]
