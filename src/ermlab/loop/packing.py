"""Lays the parameters of K models of unlike widths into the rows of one matrix.

Each model's parameters stand one behind the other in a row (P,), padded with zeros to the widest of
the stack, so that a layer of all models is one tensor (K, n, m), and the whole of one model is one
vector for its optimizer.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Shape = tuple[int, ...]


class Packing:
    """Where each parameter of each model lies in the matrix (K, P).

    Args:
        shapes: for each of K models the shapes of its parameters, in one order; the same
            parameter has as many dimensions in each model.
    """

    def __init__(self, shapes: Sequence[Sequence[Shape]]) -> None:
        self._shapes = [list(model) for model in shapes]
        self.padded: list[Shape] = [
            tuple(max(sizes) for sizes in zip(*same, strict=True))
            for same in zip(*self._shapes, strict=True)
        ]
        self._sizes = [math.prod(shape) for shape in self.padded]
        self.n_columns = sum(self._sizes)

    @property
    def n_models(self) -> int:
        """K."""
        return len(self._shapes)

    def pack(self, models: Sequence[Sequence[Tensor]]) -> Tensor:
        """Copy the parameters of K models into a new matrix (K, P); the padding is zero."""
        first = models[0][0]
        matrix = first.new_zeros(self.n_models, self.n_columns)
        for row, parameters in enumerate(models):
            for target, value in zip(self._parts(matrix, row), parameters, strict=True):
                target.copy_(value.detach())
        return matrix

    def unpack(self, matrix: Tensor, row: int) -> list[Tensor]:
        """Copy one model's parameters out of a matrix (K, P), without the padding."""
        return [part.clone() for part in self._parts(matrix, row)]

    def layers(self, matrix: Tensor) -> list[Tensor]:
        """View a matrix (K, P) as one tensor (K, ...) for each parameter, padding included."""
        columns = torch.split(matrix, self._sizes, dim=1)
        return [
            part.view(len(matrix), *shape) for part, shape in zip(columns, self.padded, strict=True)
        ]

    def mask(self, parameter: int, like: Tensor) -> Tensor | None:
        """Return ones where a parameter is real and zeros in its padding, (K, ...).

        Returns None where nothing is padded.
        """
        shapes = [model[parameter] for model in self._shapes]
        if all(shape == self.padded[parameter] for shape in shapes):
            return None
        mask = like.new_zeros(self.n_models, *self.padded[parameter])
        for row, shape in enumerate(shapes):
            mask[row][tuple(slice(size) for size in shape)] = 1
        return mask

    def _parts(self, matrix: Tensor, row: int) -> list[Tensor]:
        pieces = torch.split(matrix[row], self._sizes)
        return [
            piece.view(padded)[tuple(slice(size) for size in shape)]
            for piece, padded, shape in zip(pieces, self.padded, self._shapes[row], strict=True)
        ]


def select_rows(matrix: Tensor, rows: Sequence[int]) -> Tensor:
    """Copy some rows of a matrix (K, P), in the given order; the matrix itself if it is all."""
    if list(rows) == list(range(len(matrix))):
        return matrix
    return matrix.index_select(0, torch.tensor(rows, device=matrix.device))
