"""Random graphs and the models on them, in float64."""

import pytest
import torch

from ermlab.model.gnn import Gnn
from ermlab.model.graph_filter import GraphFilter

KEYS = {
    "taps": 3, "features": 4, "n_layers": 2, "readout_taps": 2, "bias": True, "init": "fan_in",
    "sparse": None,
}  # fmt: skip
GNN_KEYS = {"activation": "tanh", "readout_activation": "identity"}


@pytest.fixture(scope="session")
def make_graph():
    """Give a function that draws a weighted directed graph, sparse (N, N)."""

    def draw(n_nodes, *, density=0.3, seed=0, is_symmetric=False):
        rng = torch.Generator().manual_seed(seed)
        dense = torch.randn(n_nodes, n_nodes, generator=rng, dtype=torch.float64)
        dense *= torch.rand(n_nodes, n_nodes, generator=rng, dtype=torch.float64) < density
        return (dense + dense.T if is_symmetric else dense).to_sparse().coalesce()

    return draw


@pytest.fixture(scope="session")
def make_model():
    """Give a function that makes a graph filter, or with `model=Gnn` a graph neural network."""

    def make(graph, *, model=GraphFilter, seed=0, n_features=1, n_outputs=None, **changes):
        keys = {**KEYS, **(GNN_KEYS if model is Gnn else {}), **changes}
        torch.manual_seed(seed)
        n_inputs = len(graph) * n_features
        n_outputs = len(graph) if n_outputs is None else n_outputs
        return model(graph=graph, n_inputs=n_inputs, n_outputs=n_outputs, **keys).double()

    return make
