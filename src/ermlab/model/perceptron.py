"""The perceptron: one linear map followed by a pointwise nonlinearity."""

from torch import Tensor, nn

from ermlab.model.activation import find_activation
from ermlab.model.linear import Chain, Linear


class Perceptron(nn.Module):
    """f(x; H) = sigma(x H + b).

    Args:
        n_inputs: n.
        n_outputs: m.
        bias: whether b is there.
        init: "zeros", "uniform" or "fan_in"; with zeros, relu has no gradient to start with.
        activation: sigma, a name of `ermlab.model.activation.ACTIVATIONS`.
    """

    def __init__(
        self, *, n_inputs: int, n_outputs: int, bias: bool, init: str, activation: str
    ) -> None:
        super().__init__()
        self.layer = Linear(n_inputs=n_inputs, n_outputs=n_outputs, bias=bias, init=init)
        self.activation = find_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows: (B, n) -> (B, m)."""
        return self.activation(self.layer(x))

    def chain(self) -> Chain:
        """Name the affine maps and activations that make this model, first to last."""
        return [(self.layer, self.activation)]
