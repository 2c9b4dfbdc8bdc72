"""Layers of the real PyTorch Geometric on the rows and the graph of our data."""

import warnings

import pytest
import torch
from torch import nn

from ermlab.errors import ConfigError
from ermlab.model.geometric import OnGraph
from ermlab.model.gnn import Gnn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it compiles itself by torch.jit, which torch calls old
    from torch_geometric import nn as geometric


def on_graph(graph, *layers):
    return OnGraph(n_inputs=len(graph), graph=graph, layers=layers).double()


@pytest.mark.parametrize("sparse", [False, True])
def test_tag_convolutions_with_our_weights_are_our_graph_neural_network(
    make_graph, make_model, sparse
):
    graph, x = make_graph(9), torch.randn(4, 9, dtype=torch.float64)
    ours = make_model(graph, model=Gnn, activation="relu", sparse=sparse)
    theirs = on_graph(
        graph,
        geometric.TAGConv(1, 4, K=2, normalize=False),
        nn.ReLU(),
        geometric.TAGConv(4, 1, K=1, normalize=False),
    )
    convolutions = [theirs.layers[0], theirs.layers[2]]
    with torch.no_grad():
        for layer, convolution in zip(ours.layers, convolutions, strict=True):
            convolution.bias.copy_(layer.bias)
            for linear, weight in zip(convolution.lins, layer.weight, strict=True):
                linear.weight.copy_(weight.T)
    torch.testing.assert_close(theirs(x), ours(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: geometric.GCNConv(1, 1), id="GCNConv"),
        pytest.param(lambda: geometric.ChebConv(1, 1, K=3), id="ChebConv"),
        pytest.param(lambda: geometric.SAGEConv(1, 1), id="SAGEConv takes no weights"),
        pytest.param(lambda: geometric.GATConv(1, 1), id="GATConv attends"),
        pytest.param(lambda: geometric.GCN(1, 8, 2, 1), id="GCN is a whole model"),
    ],
)
def test_each_row_is_mapped_as_if_it_were_alone(make_graph, make):
    graph = (make_graph(9).to_dense().abs() + make_graph(9).to_dense().abs().T).to_sparse()
    torch.manual_seed(0)
    model = on_graph(graph, make()).eval()
    x = torch.randn(5, 9, dtype=torch.float64)
    batch = model(x)
    assert batch.shape == (5, 9)
    torch.testing.assert_close(batch, torch.cat([model(row[None]) for row in x]))


def test_the_edges_are_buffers_that_are_not_saved(make_graph):
    model = on_graph(make_graph(5), nn.Linear(1, 1))
    assert {name for name, _ in model.named_buffers()} == {"edge_index", "edge_weight"}
    assert not {"edge_index", "edge_weight"} & set(model.state_dict())


@pytest.mark.parametrize("layers", [[], ["TAGConv"]])
def test_what_is_no_layer_is_refused(make_graph, layers):
    with pytest.raises(ConfigError, match="must hold modules"):
        on_graph(make_graph(5), *layers)
