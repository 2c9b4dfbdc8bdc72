"""Graph filters: polynomials in the shift operator of a graph, alone and in banks.

The product with the operator is in `shift.py`; with activations between them, the filters make the
graph neural network of `gnn.py`.
"""

import torch
from torch import Tensor, nn

from ermlab.errors import ShapeError
from ermlab.model.activation import Activation, find_activation
from ermlab.model.linear import start
from ermlab.model.shift import Shift


class FilterBank(nn.Module):
    """Z = sum_{k < K} S^k X H_k + b: F G graph filters of K taps each.

    Args:
        n_inputs: F, features of a node before.
        n_outputs: G, features of a node after.
        taps: K, coefficients of a filter; K - 1 is how many edges away it sees.
        bias: whether b, the same at each node, is there.
        init: "fan_in" (uniform on +-1/sqrt(F K)), "uniform" (on [0, 1)) or "zeros".

    Source:
        Gama, Marques, Leus and Ribeiro (2019), "Convolutional Neural Network Architectures for
        Signals Supported on Graphs", the convolution of a graph neural network; the start is that
        of their code.
    """

    def __init__(self, *, n_inputs: int, n_outputs: int, taps: int, bias: bool, init: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(taps, n_inputs, n_outputs))  # H, (K, F, G)
        self.bias = nn.Parameter(torch.empty(n_outputs)) if bias else None  # b, (G,)
        for parameter in self.parameters():
            start(parameter, init=init, n_inputs=n_inputs * taps)

    def forward(self, x: Tensor, shift: Shift) -> Tensor:
        """Filter the signals of all rows: (N, B, F) -> (N, B, G)."""
        taps, n_inputs, n_outputs = self.weight.shape
        shifted = [x]
        for _ in range(taps - 1):
            shifted.append(shift(shifted[-1]))
        seen = torch.cat(shifted, -1).view(-1, taps * n_inputs)  # (N B, K F)
        weight = self.weight.view(taps * n_inputs, n_outputs)
        z = seen @ weight if self.bias is None else torch.addmm(self.bias, seen, weight)
        return z.view(*x.shape[:-1], n_outputs)


class GraphFilter(nn.Module):
    """X_0 = X; X_l = sum_k S^k X_{l-1} H_lk + b_l; f(X) = X_L: banks of filters, one after another.

    The parameters do not depend on the graph, so that a trained model can run on another one.

    Args:
        n_inputs: n = N F_0, numbers in a row of x: F_0 features of each node, node by node.
        n_outputs: m = N F_L, numbers in a row of y.
        graph: S, (N, N), the shift operator of the data, sparse or dense; a buffer.
        taps: K of the layers before the last.
        features: F_l, features of a node between the layers.
        n_layers: L, layers with the readout counted; 1 is one filter of `readout_taps` taps.
        readout_taps: K of the last layer; 1 adds up the features at each node.
        bias: whether the b_l are there.
        init: "fan_in", "uniform" or "zeros" (see `FilterBank`).
        sparse: whether S is kept sparse; None: as suits its size (see `Shift`).

    Raises:
        ShapeError: the rows of the data are no signals on the graph.

    Source:
        the course's Lab 2: a bank of 32 filters of 8 taps, then a readout of 1 tap.
    """

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int,
        graph: Tensor,
        taps: int,
        features: int,
        n_layers: int,
        readout_taps: int,
        bias: bool,
        init: str,
        sparse: bool | None,
    ) -> None:
        super().__init__()
        self.shift = Shift(graph, sparse=sparse)
        first, last = (
            count_features(n, self.shift.n_nodes, row=row)
            for n, row in ((n_inputs, "x"), (n_outputs, "y"))
        )
        widths = [first, *[features] * (n_layers - 1), last]
        all_taps = [*[taps] * (n_layers - 1), readout_taps]
        self.layers = nn.ModuleList(
            FilterBank(n_inputs=before, n_outputs=after, taps=k, bias=bias, init=init)
            for before, after, k in zip(widths, widths[1:], all_taps, strict=False)
        )
        self.activation = self.readout = find_activation("identity")

    def forward(self, x: Tensor) -> Tensor:
        """Map rows, (B, N) or (B, N, F_0), to (B, N) if F_L = 1, else to (B, N, F_L)."""
        z = x.reshape(len(x), self.shift.n_nodes, -1).transpose(0, 1)  # (N, B, F_0)
        *hidden, last = self.layers
        for layer in hidden:
            z = self.activation(layer(z, self.shift))  # (N, B, F)
        z = self.readout(last(z, self.shift)).transpose(0, 1)  # (B, N, F_L)
        return z.squeeze(-1) if z.shape[-1] == 1 else z

    def filters(self) -> tuple[Shift, list[tuple[FilterBank, Activation]]]:
        """Name the shift, and the banks and activations of this model, first to last."""
        *hidden, last = (layer for layer in self.layers if isinstance(layer, FilterBank))
        return self.shift, [*((layer, self.activation) for layer in hidden), (last, self.readout)]


def count_features(n_numbers: int, n_nodes: int, *, row: str) -> int:
    """Divide the numbers of a row among the nodes of a graph.

    Args:
        n_numbers: in a row, >= 1.
        n_nodes: N, >= 1.
        row: "x" or "y", for messages.

    Raises:
        ShapeError: they cannot be divided evenly.
    """
    if n_numbers % n_nodes:
        raise ShapeError(
            f"a row of {row} holds {n_numbers} numbers, which the {n_nodes} nodes of the graph "
            f"cannot share evenly: {row} is (Q, N) or (Q, N, F), the graph (N, N)",
            where="data, model",
            fix="give one number, or F numbers, for each node of the graph",
        )
    return n_numbers // n_nodes
