"""Graphs as shift operators: the matrix S whose entry (i, j) is the weight of the edge from j to i.

A source may return one beside its arrays: `(x, y, graph)`. It travels as a sparse COO tensor, of
which a model makes what it computes with. Random graphs are drawn in `block_model.py`.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ermlab.errors import DataError

Array = NDArray[Any]

MAX_DENSE = 1000  # nodes; own: LAPACK takes a fraction of a second up to here, ARPACK beyond


def make_shift(
    ends: Array, weights: Array, *, n_nodes: int, is_directed: bool, scale: str, where: str
) -> Tensor:
    """Make the shift operator of a list of edges.

    Args:
        ends: from which node to which, (2, E) in 0..n_nodes - 1.
        weights: of the edges, (E,), finite.
        n_nodes: N, >= 1.
        is_directed: whether an edge leads one way only; if not, the operator is symmetric.
        scale: "largest_eigenvalue" divides by the largest absolute eigenvalue, as the source does;
            "none" leaves the weights as they are.
        where: where the edges come from, for messages.

    Returns:
        S, (N, N) float64, sparse; the weights of edges given twice are added.

    Raises:
        DataError: every eigenvalue is zero, so that nothing can be divided.
    """
    start, end = (torch.from_numpy(np.asarray(each, dtype=np.int64)) for each in ends)
    values = torch.from_numpy(np.asarray(weights, dtype=np.float64))
    if not is_directed:
        is_loop = start == end  # it would count twice
        start, end = torch.cat([start, end[~is_loop]]), torch.cat([end, start[~is_loop]])
        values = torch.cat([values, values[~is_loop]])
    shift = _coalesce(torch.stack([end, start]), values, n_nodes)
    if scale == "none":
        return shift
    largest = largest_eigenvalue(shift)
    if not largest:
        raise DataError(
            "the largest eigenvalue of the graph is 0: it has no edge, or no cycle",
            where=where,
            fix="give it edges, or set data.scale=none",
        )
    return shift / largest


def largest_eigenvalue(shift: Tensor) -> float:
    """Find the largest absolute eigenvalue of a sparse matrix (N, N); 0.0 if there is no edge."""
    n_nodes, values = len(shift), shift.values()
    if not values.any():
        return 0.0
    is_symmetric = _is_symmetric(shift)
    if n_nodes <= MAX_DENSE:
        dense = shift.to_dense()
        found = (torch.linalg.eigvalsh if is_symmetric else torch.linalg.eigvals)(dense)
        return float(found.abs().max())
    # Imported here, since only large graphs need it.
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import eigs, eigsh

    matrix = csr_array((values.numpy(), shift.indices().numpy()), shape=(n_nodes, n_nodes))
    find = eigsh if is_symmetric else eigs
    start = np.ones(n_nodes)  # not ARPACK's random one
    return float(abs(find(matrix, k=1, v0=start, return_eigenvectors=False)[0]))


def check_graph(graph: object, *, where: str) -> Tensor:
    """Return the graph of a source as a sparse tensor.

    Args:
        graph: (N, N): a tensor, dense or sparse, a NumPy array or a SciPy sparse matrix.
        where: the key or file that it comes from, for messages.

    Returns:
        S, (N, N) float64, sparse COO without doubles, on the CPU.

    Raises:
        DataError: it is not a square matrix of finite numbers.
    """
    try:
        shift = _read_matrix(graph)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the graph is a {type(graph).__name__} that is no matrix: {error}",
            where=where,
            fix="return it as an array or a sparse matrix (N, N)",
        ) from error
    if shift.ndim != 2 or shift.shape[0] != shift.shape[1] or not len(shift):
        raise DataError(
            f"the graph has the shape {tuple(shift.shape)}, but must be square: (N, N)",
            where=where,
            fix="return the shift operator, with a row and a column for each node",
        )
    if not torch.isfinite(shift.values()).all():
        raise DataError(
            "the graph has weights that are NaN or infinite",
            where=where,
            fix="give each edge a finite weight",
        )
    return shift


def _read_matrix(graph: Any) -> Tensor:
    if hasattr(graph, "tocoo"):  # SciPy's
        coo = graph.tocoo()
        return _coalesce(np.stack(coo.coords), coo.data, *coo.shape)
    matrix = graph if isinstance(graph, Tensor) else torch.from_numpy(np.array(graph, dtype=float))
    matrix = matrix.detach().to("cpu", torch.float64)
    return matrix.to_sparse(layout=torch.sparse_coo).coalesce()


def _coalesce(indices: Any, values: Any, *shape: int) -> Tensor:
    size = shape if len(shape) == 2 else shape * 2
    indices, values = torch.as_tensor(indices), torch.as_tensor(values, dtype=torch.float64)
    return torch.sparse_coo_tensor(
        indices.to(torch.int64), values, size, check_invariants=True
    ).coalesce()


def _is_symmetric(shift: Tensor) -> bool:
    turned = shift.t().coalesce()
    same = torch.equal(turned.indices(), shift.indices())
    return same and torch.equal(turned.values(), shift.values())
