"""Lays the parameters of K models of unlike widths into one vector, one model behind the other.

Neighbours of one shape form a block, which a batched product reads as one tensor (K_b, n, m). A
block may also hold models of unlike widths: then each is padded with zeros to the widest.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

import torch
from torch import Tensor

Shape = tuple[int, ...]


class Packing:
    """Where each parameter of each model lies in a vector (P,).

    Args:
        shapes: for each of K models the shapes of its parameters, in one order; the same
            parameter has as many dimensions in each model.
        counts: models of each block, first to last; K in all.
    """

    def __init__(self, shapes: Sequence[Sequence[Shape]], counts: Sequence[int]) -> None:
        models = iter(shapes)
        self.counts = list(counts)
        self._shapes = [[list(model) for model in islice(models, n)] for n in counts]
        self._padded = [_widest(block) for block in self._shapes]
        self._widths = [sum(map(math.prod, padded)) for padded in self._padded]
        sizes = [n * width for n, width in zip(self.counts, self._widths, strict=True)]
        self._starts = list(accumulate(sizes, initial=0))
        self._homes = [(block, row) for block, n in enumerate(counts) for row in range(n)]

    @property
    def n_models(self) -> int:
        """K."""
        return len(self._homes)

    def pack(self, models: Sequence[Sequence[Tensor]]) -> Tensor:
        """Copy the parameters of K models into a new vector (P,); the padding is zero."""
        vector = models[0][0].new_zeros(self._starts[-1])
        for model, parameters in enumerate(models):
            for target, value in zip(self.parameters(vector, model), parameters, strict=True):
                target.copy_(value.detach())
        return vector

    def unpack(self, vector: Tensor, model: int) -> list[Tensor]:
        """Copy one model's parameters out of a vector (P,), without the padding."""
        return [part.clone() for part in self.parameters(vector, model)]

    def parameters(self, vector: Tensor, model: int) -> list[Tensor]:
        """View one model's parameters in a vector (P,), without the padding."""
        block, row = self._homes[model]
        views = self._split(self.matrix(vector, block)[row], block)
        return [
            view if view.shape == shape else view[tuple(slice(size) for size in shape)]
            for view, shape in zip(views, self._shapes[block][row], strict=True)
        ]

    def matrix(self, vector: Tensor, block: int) -> Tensor:
        """View a block of a vector (P,) as a row for each model, (K_b, P_b), padding included."""
        part = vector[self._starts[block] : self._starts[block + 1]]
        return part.view(self.counts[block], self._widths[block])

    def matrices(self, vector: Tensor) -> list[Tensor]:
        """View each block of a vector (P,) as a matrix (K_b, P_b)."""
        return [self.matrix(vector, block) for block in range(len(self.counts))]

    def layers(self, vector: Tensor, block: int) -> list[Tensor]:
        """View a block as one tensor (K_b, ...) for each parameter, padding included."""
        return list(self._split(self.matrix(vector, block), block))

    def mask(self, parameter: int, block: int, like: Tensor) -> Tensor | None:
        """Return ones where a block's parameter is real and zeros in its padding, (K_b, ...).

        Returns None where nothing is padded.
        """
        shapes = [model[parameter] for model in self._shapes[block]]
        padded = self._padded[block][parameter]
        if all(shape == padded for shape in shapes):
            return None
        mask = like.new_zeros(len(shapes), *padded)
        for row, shape in enumerate(shapes):
            mask[row][tuple(slice(size) for size in shape)] = 1
        return mask

    def _split(self, matrix: Tensor, block: int) -> Iterator[Tensor]:
        """View the last dimension as one part (..., *shape) for each parameter."""
        sizes = [math.prod(shape) for shape in self._padded[block]]
        for part, shape in zip(torch.split(matrix, sizes, -1), self._padded[block], strict=True):
            yield part.view(*matrix.shape[:-1], *shape)


def _widest(models: Sequence[Sequence[Shape]]) -> list[Shape]:
    same = zip(*models, strict=True)
    return [tuple(max(sizes) for sizes in zip(*shapes, strict=True)) for shapes in same]


def count_runs(keys: Sequence[object]) -> list[int]:
    """Count how often each key stands in a row: a, a, b -> 2, 1."""
    counts: list[int] = []
    for position, key in enumerate(keys):
        if position and key == keys[position - 1]:
            counts[-1] += 1
        else:
            counts.append(1)
    return counts
