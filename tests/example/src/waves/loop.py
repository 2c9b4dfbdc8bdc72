"""A loop whose batches are blocks of neighbouring rows, from a random start at each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class BlockLoop:
    """A plan as `ermlab.loop.plan.Plan` describes it.

    Args:
        batch_size: B.
        steps: S, updates at most.
        validate_every: steps between two validations.
        patience: validations without a new lowest loss before training stops; None: never.
        partition: "in_order" or "random".
    """

    batch_size: int
    steps: int
    validate_every: int
    patience: int | None
    partition: str
    validates: bool = True
    tests: bool = True

    def n_steps(self, n_rows: int) -> int:
        """S, whatever the number of rows."""
        return self.steps

    def epochs_of(self, n_steps: int, n_rows: int) -> float:
        """Rows drawn, in passes over the split."""
        return n_steps * self.batch_size / n_rows

    def checks(self, n_rows: int) -> Sequence[int]:
        """The steps right after which losses are measured."""
        return range(self.validate_every - 1, self.steps, self.validate_every)

    def batches(self, n_rows: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Blocks of batches, (1, B) row numbers each, without end."""
        while True:
            first = rng.integers(n_rows)
            yield ((first + np.arange(self.batch_size)) % n_rows)[None]
