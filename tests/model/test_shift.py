"""The product with a shift operator: the same numbers dense and sparse, and what each keeps."""

import warnings

import pytest
import torch

from ermlab.model.shift import Shift

BOTH = pytest.mark.parametrize("sparse", [False, True])


@BOTH
@pytest.mark.parametrize("is_symmetric", [False, True])
def test_it_multiplies_by_the_operator_forwards_and_backwards(make_graph, sparse, is_symmetric):
    graph = make_graph(7, is_symmetric=is_symmetric)
    shift = Shift(graph, sparse=sparse)
    z = torch.randn(7, 5, 2, dtype=torch.float64, requires_grad=True)
    shifted = shift(z)
    torch.testing.assert_close(shifted, torch.einsum("ij,jbf->ibf", graph.to_dense(), z))
    slopes = torch.randn_like(shifted)
    (found,) = torch.autograd.grad(shifted, z, slopes)
    torch.testing.assert_close(found, torch.einsum("ij,ibf->jbf", graph.to_dense(), slopes))


@BOTH
def test_a_dense_graph_will_do_as_well(make_graph, sparse):
    graph = make_graph(6)
    z = torch.randn(6, 3, dtype=torch.float64)
    shift = Shift(graph.to_dense(), sparse=sparse)
    torch.testing.assert_close(shift(z), graph.to_dense() @ z)


@BOTH
def test_the_operator_is_a_buffer_that_follows_the_module_and_is_not_saved(make_graph, sparse):
    shift = Shift(make_graph(6), sparse=sparse)
    assert list(shift.parameters()) == []
    assert list(shift.state_dict()) == []
    assert shift.to(torch.float32)(torch.ones(6, 1)).dtype == torch.float32


@pytest.mark.parametrize(
    ("n_nodes", "n_edges", "is_sparse"),
    [(50, 100, False), (300, 3_000, True), (300, 30_000, False), (10_000, 50, True)],
)
def test_the_faster_way_is_chosen(n_nodes, n_edges, is_sparse):
    cells = torch.randperm(n_nodes**2 if n_nodes < 1000 else 10**6)[:n_edges]
    indices = torch.stack([cells // n_nodes, cells % n_nodes])
    graph = torch.sparse_coo_tensor(
        indices, torch.ones(n_edges), (n_nodes, n_nodes), check_invariants=True
    )
    assert Shift(graph, sparse=None).is_sparse == is_sparse


@pytest.mark.parametrize("is_symmetric", [False, True])
def test_the_memory_of_a_sparse_operator_grows_with_its_edges(make_graph, is_symmetric):
    def count(n_nodes, density):
        graph = make_graph(n_nodes, density=density, is_symmetric=is_symmetric)
        shift = Shift(graph, sparse=True)
        return sum(buffer.nbytes for buffer in shift.buffers()), len(graph.values())

    copies = 1 if is_symmetric else 2  # the transpose serves the backward pass
    for n_nodes, density in ((200, 0.05), (400, 0.05), (400, 0.2)):
        n_bytes, n_edges = count(n_nodes, density)
        # A value in float64 and a column in int32 for each edge, a start in int32 for each row.
        assert n_bytes == copies * (12 * n_edges + 4 * (n_nodes + 1))


def test_a_million_edges_take_megabytes():
    n_nodes, n_edges = 100_000, 1_000_000
    indices = torch.randint(n_nodes, (2, n_edges), generator=torch.Generator().manual_seed(0))
    graph = torch.sparse_coo_tensor(
        indices, torch.ones(n_edges), (n_nodes, n_nodes), check_invariants=True
    ).coalesce()
    shift = Shift(graph, sparse=None)
    assert shift.is_sparse
    assert sum(buffer.nbytes for buffer in shift.buffers()) < 20e6  # dense it would be 40 GB
    torch.testing.assert_close(
        shift(torch.ones(n_nodes, 1)), torch.sparse.mm(graph, torch.ones(n_nodes, 1))
    )


def test_nothing_is_said_of_beta_versions(make_graph):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Shift(make_graph(5), sparse=True)(torch.ones(5, 2, dtype=torch.float64))


def test_only_a_sparse_operator_is_an_obstacle_to_a_stack(make_graph):
    assert Shift(make_graph(5), sparse=False).obstacle is None
    assert "sparse" in Shift(make_graph(5), sparse=True).obstacle
