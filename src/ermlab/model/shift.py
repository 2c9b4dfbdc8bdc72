"""The product with the shift operator of a graph, dense or sparse, on which graph filters stand.

The operator is kept in buffers: it moves with the module and is not trained. They are not saved
with the weights, so that a trained model can be loaded on another graph.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

# Measured on one core (tests/benchmarks/graphs.py): the sparse product is the faster one where
# fewer than a fifteenth of the entries differ from zero, but for small graphs.
LARGEST_SMALL = 256  # nodes
LEAST_SPARSITY = 15
SMALLEST_LARGE = 10_000  # nodes; a dense operator takes 0.8 GB in float64 from here


class Shift(nn.Module):
    """z -> S z, for signals in columns.

    Args:
        graph: S, (N, N) as a sparse COO tensor or a dense one.
        sparse: whether S is kept sparse, with memory that grows with its E entries other than zero
            rather than with N^2; None: as is faster, and always from 10,000 nodes on.
    """

    dense: Tensor  # if S is kept dense

    def __init__(self, graph: Tensor, *, sparse: bool | None) -> None:
        super().__init__()
        shift = graph.to_sparse(layout=torch.sparse_coo).coalesce()
        self.n_nodes = len(shift)
        self.is_sparse = _pays_sparse(shift) if sparse is None else sparse
        if not self.is_sparse:
            self.register_buffer("dense", shift.to_dense(), persistent=False)  # (N, N)
            return
        # A symmetric operator is its own transpose, which the backward pass multiplies by.
        transposed = shift.t().coalesce()
        self.is_symmetric = _are_equal(shift, transposed)
        self._keep_rows("", shift)
        if not self.is_symmetric:
            self._keep_rows("transposed_", transposed)

    @property
    def obstacle(self) -> str | None:
        """Why no stack can hold it (see `trial/obstacle.py`); None if one can."""
        if not self.is_sparse:
            return None
        return "its graph is kept sparse, for which there is no stacked product"

    def forward(self, z: Tensor) -> Tensor:
        """Shift the signals: (N, ...) -> (N, ...)."""
        flat = z.reshape(len(z), -1)  # (N, B F)
        if not self.is_sparse:
            return (self.dense @ flat).view(z.shape)
        shift = self._read_rows("")
        back = shift if self.is_symmetric else self._read_rows("transposed_")
        result: Tensor = _SparseProduct.apply(flat, shift, back)  # type: ignore[no-untyped-call]  # untyped in torch
        return result.view(z.shape)

    def _keep_rows(self, name: str, matrix: Tensor) -> None:
        with warnings.catch_warnings():
            # torch calls compressed rows a beta; said once in a process, so not again in `forward`.
            warnings.filterwarnings("ignore", message="Sparse CSR")
            rows = matrix.to_sparse_csr()
        # torch cannot save or copy a sparse buffer in all the ways of a dense one.
        self.register_buffer(f"{name}starts", rows.crow_indices().to(torch.int32), persistent=False)
        self.register_buffer(f"{name}columns", rows.col_indices().to(torch.int32), persistent=False)
        self.register_buffer(f"{name}values", rows.values(), persistent=False)

    def _read_rows(self, name: str) -> Tensor:
        starts, columns, values = (
            self.get_buffer(f"{name}{part}") for part in ("starts", "columns", "values")
        )
        size = (self.n_nodes, self.n_nodes)
        return torch.sparse_csr_tensor(starts, columns, values, size, check_invariants=False)


class _SparseProduct(torch.autograd.Function):
    """S z by compressed rows, in both directions: torch's own backward pass turns S each time."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, shift: Tensor, back: Tensor) -> Tensor:
        ctx.back = back
        return shift @ z

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        return ctx.back @ slopes[0], None, None


def _pays_sparse(shift: Tensor) -> bool:
    n_nodes, n_edges = len(shift), len(shift.values())
    if n_nodes >= SMALLEST_LARGE:
        return True
    return n_nodes > LARGEST_SMALL and n_edges * LEAST_SPARSITY < n_nodes**2


def _are_equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.indices(), b.indices()) and torch.equal(a.values(), b.values())
