"""Shift operators of lists of edges, and what a source may return as one."""

import numpy as np
import pytest
import scipy.sparse
import torch

from ermlab.data.graph import check_graph, largest_eigenvalue, make_shift
from ermlab.errors import DataError

ENDS = np.array([[0, 1, 2], [1, 2, 2]])  # 0 -> 1, 1 -> 2, and a loop at 2
WEIGHTS = np.array([1.0, 2.0, 3.0])


def shift_of(ends=ENDS, weights=WEIGHTS, *, n_nodes=4, directed=False, scale="none"):
    return make_shift(
        ends, weights, n_nodes=n_nodes, is_directed=directed, scale=scale, where="here"
    )


def test_a_directed_edge_stands_in_the_row_of_its_end():
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[1, 0], expected[2, 1], expected[2, 2] = 1, 2, 3
    assert torch.equal(shift_of(directed=True).to_dense(), expected)


def test_an_undirected_graph_is_symmetric_and_counts_a_loop_once():
    directed = shift_of(directed=True).to_dense()
    expected = directed + directed.T - torch.diag(directed.diagonal())
    assert torch.equal(shift_of().to_dense(), expected)


@pytest.mark.parametrize("directed", [False, True])
def test_the_scaled_operator_has_the_largest_eigenvalue_1(directed):
    scaled = shift_of(directed=directed, scale="largest_eigenvalue").to_dense().numpy()
    assert np.abs(np.linalg.eigvals(scaled)).max() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("directed", [False, True])
def test_a_large_graph_has_the_eigenvalue_that_a_dense_solver_finds(directed, monkeypatch):
    ends = np.random.default_rng(0).integers(0, 60, (2, 400))
    shift = shift_of(ends, np.ones(400), n_nodes=60, directed=directed)
    dense = largest_eigenvalue(shift)
    monkeypatch.setattr("ermlab.data.graph.MAX_DENSE", 10)
    assert largest_eigenvalue(shift) == pytest.approx(dense, rel=1e-12)


@pytest.mark.parametrize(
    ("ends", "directed"),
    [
        pytest.param(np.empty((2, 0)), False, id="no edge"),
        pytest.param(ENDS[:, :2], True, id="no cycle"),
    ],
)
def test_what_cannot_be_scaled_is_refused(ends, directed):
    with pytest.raises(DataError, match="largest eigenvalue"):
        shift_of(ends, np.ones(ends.shape[1]), directed=directed, scale="largest_eigenvalue")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(np.asarray, id="an array"),
        pytest.param(torch.from_numpy, id="a tensor"),
        pytest.param(lambda m: torch.from_numpy(m).to_sparse(), id="a sparse tensor"),
        pytest.param(scipy.sparse.csr_array, id="a sparse array of SciPy"),
        pytest.param(scipy.sparse.csc_matrix, id="a sparse matrix of SciPy"),
        pytest.param(lambda m: m.tolist(), id="lists"),
    ],
)
def test_a_graph_may_come_as(make):
    matrix = np.array([[0, 2.5], [0, 1]])
    found = check_graph(make(matrix), where="here")
    assert found.is_sparse
    np.testing.assert_array_equal(found.to_dense(), matrix)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        pytest.param(np.ones((2, 3)), r"must be square: \(N, N\)", id="not square"),
        pytest.param(np.ones(4), "must be square", id="a vector"),
        pytest.param(np.ones((0, 0)), "must be square", id="empty"),
        pytest.param(np.array([[0, np.nan], [0, 0]]), "NaN or infinite", id="not finite"),
        pytest.param("edges.csv", "is no matrix", id="text"),
        pytest.param([[1, 2], [3]], "is no matrix", id="uneven rows"),
    ],
)
def test_what_is_no_graph_is_refused(graph, reason):
    with pytest.raises(DataError, match=reason):
        check_graph(graph, where="here")
