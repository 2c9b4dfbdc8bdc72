"""The two-layer neural network of the source text."""

from torch import Tensor, nn

from ermlab.model.activation import find_activation
from ermlab.model.linear import Chain, Linear


class TwoLayer(nn.Module):
    """f(x; H1, H2) = sigma(x H1 + b1) H2 + b2.

    Args:
        n_inputs: n.
        n_outputs: m.
        hidden_units: h.
        bias: whether b1 and b2 are there; the source has none.
        init: "uniform" (the source: entries on [0, 1); its first loss grows like h^2), "fan_in" or
            "zeros" (which never trains: every gradient is zero).
        activation: sigma, a name of `ermlab.model.activation.ACTIVATIONS`.
    """

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int,
        hidden_units: int,
        bias: bool,
        init: str,
        activation: str,
    ) -> None:
        super().__init__()
        self.hidden = Linear(n_inputs=n_inputs, n_outputs=hidden_units, bias=bias, init=init)
        self.output = Linear(n_inputs=hidden_units, n_outputs=n_outputs, bias=bias, init=init)
        self.activation = find_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows: (B, n) -> (B, m)."""
        result: Tensor = self.output(self.activation(self.hidden(x)))
        return result

    def chain(self) -> Chain:
        """Name the affine maps and activations that make this model, first to last."""
        return [(self.hidden, self.activation), (self.output, find_activation("identity"))]
