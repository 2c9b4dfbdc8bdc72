"""The batches of K trials, fetched together: the same rows as each trial draws alone.

The train splits stand one behind the other as one tensor, each distinct one once, so that one index
fetches the rows of all trials. Shorter batches are padded with a row that counts nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ermlab.loop.batches import IndexArray
from ermlab.loop.learner import Parts
from ermlab.objective import BatchRows


class StackedBatches:
    """Draws from the batches of K trials.

    Args:
        parts: of each trial.
    """

    def __init__(self, parts: Sequence[Parts]) -> None:
        distinct = list({id(each.data): each.data for each in parts}.values())
        self._x = _join([data.train.x for data in distinct])
        self._y = _join([data.train.y for data in distinct])
        starts = np.cumsum([0, *(data.train.n_rows for data in distinct)])
        position = {id(data): int(start) for data, start in zip(distinct, starts, strict=False)}
        self._drawn = [_Drawn(each.batches, position[id(each.data)]) for each in parts]

    def take(
        self, models: Sequence[int], n_steps: int
    ) -> Iterator[tuple[Tensor, Tensor, BatchRows]]:
        """Yield the next batches of some trials.

        Args:
            models: which trials.
            n_steps: how many batches of each.

        Returns:
            For each step x (K, B, ...), y (K, B, ...) and which rows are real.
        """
        while n_steps:
            drawn = [self._drawn[model] for model in models]
            ahead = min(n_steps, *(each.n_ahead() for each in drawn))
            sizes = [each.size for each in drawn]
            index = np.zeros((ahead, len(models), max(sizes)), dtype=np.int64)
            for row, each in enumerate(drawn):
                index[:, row, : each.size] = each.take(ahead)
            rows = self._describe(sizes)
            shape = index.shape[1:]
            for flat in torch.from_numpy(index).to(self._x.device).view(ahead, -1):
                yield (
                    self._x.index_select(0, flat).view(*shape, *self._x.shape[1:]),
                    self._y.index_select(0, flat).view(*shape, *self._y.shape[1:]),
                    rows,
                )
            n_steps -= ahead

    def _describe(self, sizes: Sequence[int]) -> BatchRows:
        longest = max(sizes)
        if min(sizes) == longest:
            return BatchRows(share=1 / longest, is_real=None)
        size = self._x.new_tensor(sizes)[:, None]  # (K, 1)
        is_real = (torch.arange(longest, device=size.device) < size).to(size.dtype)  # (K, B)
        return BatchRows(share=is_real / size, is_real=is_real)


class _Drawn:
    """The batches of one trial that are drawn and not yet taken: a part of a block (S, B)."""

    def __init__(self, blocks: Iterator[IndexArray], offset: int) -> None:
        self._blocks = blocks
        self._offset = offset
        self._block: IndexArray = np.empty((0, 0), dtype=np.int64)

    @property
    def size(self) -> int:
        """B of the next batches."""
        n_rows: int = self._block.shape[1]
        return n_rows

    def n_ahead(self) -> int:
        """How many batches of one size are there to take; at least one."""
        while not len(self._block):
            self._block = next(self._blocks) + self._offset
        return len(self._block)

    def take(self, n_steps: int) -> IndexArray:
        """Take the next batches, (n_steps, B)."""
        taken, self._block = self._block[:n_steps], self._block[n_steps:]
        return taken


def _join(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))  # (Q1 + Q2 + ..., ...)
