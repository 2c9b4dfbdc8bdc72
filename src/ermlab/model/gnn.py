"""The graph neural network: banks of graph filters with pointwise nonlinearities between them."""

from torch import Tensor

from ermlab.model.activation import find_activation
from ermlab.model.graph_filter import GraphFilter


class Gnn(GraphFilter):
    """X_0 = X; X_l = sigma(sum_k S^k X_{l-1} H_lk + b_l) for l < L; the readout X_L is linear.

    Args:
        n_inputs, n_outputs, graph, taps, features, n_layers, readout_taps, bias, init, sparse: see
            `GraphFilter`.
        activation: sigma, a name of `ermlab.model.activation.ACTIVATIONS`.
        readout_activation: what follows the readout; the source has relu there as well, with which
            4 of 10 runs get stuck: every output is zero, and so is every gradient.

    Source:
        Gama, Marques, Leus and Ribeiro (2019), "Convolutional Neural Network Architectures for
        Signals Supported on Graphs"; as the course's Lab 2 has it, which applies relu to the
        readout as well.
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
        activation: str,
        readout_activation: str,
        sparse: bool | None,
    ) -> None:
        super().__init__(
            n_inputs=n_inputs,
            n_outputs=n_outputs,
            graph=graph,
            taps=taps,
            features=features,
            n_layers=n_layers,
            readout_taps=readout_taps,
            bias=bias,
            init=init,
            sparse=sparse,
        )
        self.activation = find_activation(activation)
        self.readout = find_activation(readout_activation)
