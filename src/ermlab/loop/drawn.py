"""The batches of one trial that are drawn and not yet taken."""

from collections.abc import Iterator

import numpy as np

from ermlab.loop.batches import IndexArray


class Drawn:
    """A part of a block (S, B) of batches, and the blocks after it.

    Args:
        blocks: of batches, (S, B) each, without end.
    """

    def __init__(self, blocks: Iterator[IndexArray]) -> None:
        self._blocks = blocks
        self._block: IndexArray = np.empty((0, 0), dtype=np.int64)

    @property
    def size(self) -> int:
        """B of the next batches."""
        n_rows: int = self._block.shape[1]
        return n_rows

    def n_ahead(self) -> int:
        """How many batches of one size are there to take; at least one."""
        while not len(self._block):
            self._block = next(self._blocks)
        return len(self._block)

    def take(self, n_steps: int) -> IndexArray:
        """Take the next batches, (n_steps, B), of those that are there."""
        taken, self._block = self._block[:n_steps], self._block[n_steps:]
        return taken
