"""Lets layers with the interface of PyTorch Geometric work on the rows and the graph of our data.

Such a layer is called as `layer(x, edge_index)`, with one row of x for each node. Nothing of that
package is imported here: the layers come from the configuration.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ermlab.errors import ConfigError
from ermlab.model.graph_filter import count_features


class OnGraph(nn.Module):
    """Layers one after another, some of which know the graph.

    A batch of B signals on one graph is given to them as B copies of the graph side by side, which
    is right for every layer, those that normalize or attend included.

    Args:
        n_inputs: n = N F_0, numbers in a row of x: F_0 features of each node, node by node.
        graph: S, (N, N), the shift operator of the data, sparse or dense; its entries that are not
            zero are the edges.
        layers: modules. One whose `forward` has an argument `edge_index` is given the edges, and
            their weights if it has `edge_weight`; any other one is given the features alone.

    Raises:
        ConfigError: there is no layer, or one is no module.
        ShapeError: the rows of the data are no signals on the graph.
    """

    edge_index: Tensor  # from which node to which, (2, E)
    edge_weight: Tensor  # (E,)

    def __init__(self, *, n_inputs: int, graph: Tensor, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        shift = graph.to_sparse(layout=torch.sparse_coo).coalesce()
        self.n_nodes = len(shift)
        self.n_features = count_features(n_inputs, self.n_nodes, row="x")
        # S_ij is the weight from j to i; messages flow from the first row's node to the second's.
        self.register_buffer("edge_index", shift.indices().flip(0), persistent=False)
        self.register_buffer("edge_weight", shift.values(), persistent=False)
        _check_layers(layers)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows, (B, N) or (B, N, F_0), to (B, N) if F_L = 1, else to (B, N, F_L)."""
        n_rows = len(x)
        z = x.reshape(n_rows * self.n_nodes, self.n_features)  # (B N, F_0)
        firsts = torch.arange(n_rows, device=x.device) * self.n_nodes  # node 0 of each copy
        edges = (self.edge_index[:, None, :] + firsts[:, None]).reshape(2, -1)  # (2, B E)
        weights = self.edge_weight.repeat(n_rows)
        for layer in self.layers:
            takes = inspect.signature(layer.forward).parameters
            given: dict[str, Any] = {"edge_index": edges, "edge_weight": weights}
            z = layer(z, **{name: value for name, value in given.items() if name in takes})
        z = z.reshape(n_rows, self.n_nodes, -1)  # (B, N, F_L)
        return z.squeeze(-1) if z.shape[-1] == 1 else z


def _check_layers(layers: Sequence[object]) -> None:
    wrong = [type(each).__name__ for each in layers if not isinstance(each, nn.Module)]
    if wrong or not layers:
        raise ConfigError(
            f"model.layers holds {', '.join(wrong) or 'nothing'}, but must hold modules",
            where="model.layers",
            fix="list at least one layer with its _target_, such as torch_geometric.nn.TAGConv",
        )
