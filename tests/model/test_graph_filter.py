"""Graph filters and graph neural networks against their formulas, and what permutations do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ermlab.errors import ShapeError
from ermlab.model.gnn import Gnn
from ermlab.model.graph_filter import GraphFilter

MODELS = pytest.mark.parametrize("model", [GraphFilter, Gnn])


def polynomial(x, graph, layer):
    """sum_k S^k X H_k + b for each row, by matrix powers: (B, N, F) -> (B, N, G)."""
    dense = graph.to_dense()
    powers = [torch.linalg.matrix_power(dense, k) for k in range(len(layer.weight))]
    found = sum(p @ x @ h for p, h in zip(powers, layer.weight, strict=True))
    return found if layer.bias is None else found + layer.bias


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_graph_filter_is_a_polynomial_in_the_shift_operator(make_graph, make_model, bias, sparse):
    graph, x = make_graph(6), torch.randn(5, 6, dtype=torch.float64)
    model = make_model(graph, bias=bias, sparse=sparse)
    first, last = model.layers
    expected = polynomial(polynomial(x[..., None], graph, first), graph, last)[..., 0]
    torch.testing.assert_close(model(x), expected)


def test_a_gnn_has_its_activation_between_the_layers_and_none_after(make_graph, make_model):
    graph, x = make_graph(6), torch.randn(5, 6, dtype=torch.float64)
    model = make_model(graph, model=Gnn, n_layers=3, activation="relu")
    z = x[..., None]
    for layer in model.layers[:-1]:
        z = torch.relu(polynomial(z, graph, layer))
    expected = polynomial(z, graph, model.layers[-1])[..., 0]
    torch.testing.assert_close(model(x), expected)
    assert (model(x) < 0).any()


def test_the_readout_may_have_an_activation_of_its_own(make_graph, make_model):
    graph, x = make_graph(6), torch.randn(5, 6, dtype=torch.float64)
    linear = make_model(graph, model=Gnn)
    rectified = make_model(graph, model=Gnn, readout_activation="relu")
    torch.testing.assert_close(rectified(x), torch.relu(linear(x)))


def test_one_layer_is_one_filter(make_graph, make_model):
    graph, x = make_graph(6), torch.randn(5, 6, dtype=torch.float64)
    model = make_model(graph, n_layers=1, readout_taps=4)
    assert [tuple(p.shape) for p in model.parameters()] == [(4, 1, 1), (1,)]
    expected = polynomial(x[..., None], graph, model.layers[0])[..., 0]
    torch.testing.assert_close(model(x), expected)


@MODELS
def test_the_source_has_321_parameters(make_graph, make_model, model):
    changes = {"taps": 8, "features": 32, "readout_taps": 1}
    made = make_model(make_graph(50), model=model, **changes)
    assert sum(p.numel() for p in made.parameters()) == 321


def test_the_start_is_bounded_by_the_root_of_what_a_filter_adds_up(make_graph, make_model):
    weight = make_model(make_graph(5), taps=9, features=64, n_layers=3).layers[1].weight
    bound = 1 / (9 * 64) ** 0.5
    assert 0.98 * bound < weight.abs().max() <= bound


@MODELS
def test_a_node_may_have_several_features_before_and_after(make_graph, make_model, model):
    graph = make_graph(6)
    made = make_model(graph, model=model, n_features=3, n_outputs=12)
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    assert made(x).shape == (5, 6, 2)
    assert torch.equal(made(x), made(x.reshape(5, 18)))  # node by node


@MODELS
@pytest.mark.parametrize("sparse", [False, True])
@given(
    n_nodes=st.integers(2, 12),
    taps=st.integers(1, 4),
    n_layers=st.integers(1, 3),
    seed=st.integers(0, 10**6),
)
def test_permuting_the_nodes_permutes_the_outputs(
    make_graph, make_model, model, sparse, n_nodes, taps, n_layers, seed
):
    graph = make_graph(n_nodes, seed=seed)
    order = torch.randperm(n_nodes, generator=torch.Generator().manual_seed(seed))
    x = torch.randn(3, n_nodes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    changes = {"model": model, "taps": taps, "n_layers": n_layers, "seed": seed, "sparse": sparse}
    one = make_model(graph, **changes)
    renamed = graph.to_dense()[order][:, order]
    other = make_model(renamed, **changes)
    # Sums in another order: rounding only.
    torch.testing.assert_close(other(x[:, order]), one(x)[:, order], rtol=1e-9, atol=1e-9)


@MODELS
def test_the_parameters_of_one_graph_run_on_a_larger_one(make_graph, make_model, model):
    small, large = make_model(make_graph(6), model=model), make_model(make_graph(9), model=model)
    large.load_state_dict(small.state_dict())
    assert large(torch.ones(2, 9, dtype=torch.float64)).shape == (2, 9)


@MODELS
@pytest.mark.parametrize("sparse", [False, True])
def test_the_gradient_is_that_of_finite_differences(make_graph, make_model, model, sparse):
    made = make_model(make_graph(4), model=model, sparse=sparse)
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(made, (x,))


@pytest.mark.parametrize("row", ["x", "y"])
def test_rows_that_are_no_signals_on_the_graph_are_refused(make_graph, make_model, row):
    changes = {"n_features": 7 / 5} if row == "x" else {"n_outputs": 7}
    with pytest.raises(ShapeError, match=f"a row of {row} holds 7.* the 5 nodes"):
        make_model(make_graph(5), **changes)
