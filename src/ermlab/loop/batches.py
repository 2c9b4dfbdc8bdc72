"""Which rows make a batch: plans of row numbers, drawn ahead in blocks.

A block is an array (S, B) of row numbers, so that a learner can send many batches to its device at
once and no Python work is done per row.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]

BLOCK_STEPS = 64  # own: draws are cheap, so a block is only long enough to hide the call around it


def random_batches(n_rows: int, batch_size: int, rng: np.random.Generator) -> Iterator[IndexArray]:
    """Yield blocks of random batches without end; a row comes at most once in a batch.

    Args:
        n_rows: Q, rows to draw from.
        batch_size: B, 1..Q.
        rng: generator of the draws.

    Returns:
        Blocks (S, B) of row numbers in [0, Q).

    Source:
        The source text's simple training loop: the first B entries of a random permutation.
    """
    while True:
        yield np.stack(
            [rng.choice(n_rows, size=batch_size, replace=False) for _ in range(BLOCK_STEPS)]
        )


def epoch_batches(n_rows: int, batch_size: int, rng: np.random.Generator) -> Iterator[IndexArray]:
    """Yield the batches of epoch after epoch without end; each epoch has every row once.

    Args:
        n_rows: Q, rows of an epoch.
        batch_size: B, 1..Q; the last batch of an epoch has the remaining rows if B does not
            divide Q.
        rng: generator of the draws.

    Returns:
        Blocks (S, B) of row numbers in [0, Q); a short last batch is a block (1, Q mod B).

    Source:
        The source text's epoch loop.
    """
    n_whole = n_rows // batch_size * batch_size
    while True:
        order = rng.permutation(n_rows)  # (Q,)
        yield order[:n_whole].reshape(-1, batch_size)  # (S, B)
        if n_whole < n_rows:
            yield order[None, n_whole:]  # (1, Q mod B)
