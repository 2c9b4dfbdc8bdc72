"""The batches of K trials, fetched together: the same rows as each trial draws alone.

The train splits stand one behind the other as one tensor, each distinct one once, so that one index
fetches the rows of all trials into one buffer, in which each block of models has its place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from ermlab.data.dataset import DataSet
from ermlab.loop.drawn import Drawn
from ermlab.loop.learner import Parts


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The rows of one step: one block's behind the other's, and in a block one model's.

    The tensors are buffers, which the next step overwrites. The last rows of a block's place are
    without meaning where its batches are shorter than they can be.

    Args:
        x: inputs, (R, ...).
        y: targets, (R, ...).
        share: what each row counts in the mean of its batch, (R, 1): 1 / B, or 0 for padding.
        starts: the first row of each block.
        sizes: B of each block, the longest of its models' batches.
        firsts: the first row of each model.
    """

    x: Tensor
    y: Tensor
    share: Tensor
    starts: Sequence[int]
    sizes: Sequence[int]
    firsts: Sequence[int]


class StackedBatches:
    """Draws from the batches of K trials.

    Args:
        parts: of each trial.
    """

    def __init__(self, parts: Sequence[Parts]) -> None:
        self._data = [each.data for each in parts]
        self._drawn = [Drawn(each.batches) for each in parts]
        self._joined: list[DataSet] = []  # whose train splits stand behind each other
        self._x, self._y = parts[0].data.train.x, parts[0].data.train.y
        self.lay_out([], [])

    def replace(self, trial: int, parts: Parts) -> None:
        """Draw from the batches of another trial instead of one that is not laid out any more."""
        self._data[trial] = parts.data
        self._drawn[trial] = Drawn(parts.batches)

    def size(self, trial: int) -> int:
        """Rows of the next batch of a trial."""
        self._drawn[trial].n_ahead()
        return self._drawn[trial].size

    def lay_out(self, trials: Sequence[int], counts: Sequence[int]) -> None:
        """Choose which trials are fetched from now on.

        Args:
            trials: in the order of their rows.
            counts: how many of them make each block, first to last.
        """
        self._chosen, self._counts = [self._drawn[trial] for trial in trials], list(counts)
        self._join([self._data[trial] for trial in trials])
        self._longest = [0] * len(counts)  # of each block's batches so far
        self._buffers: tuple[Tensor, ...] = ()  # of x and y

    def take(self, n_steps: int) -> Iterator[tuple[Batch, Iterator[None]]]:
        """Fetch the next batches of the chosen trials.

        Args:
            n_steps: how many batches of each.

        Returns:
            For each run of steps with batches of equal lengths the batch, and an iterator that
            fills it anew for each step.
        """
        while n_steps:
            ahead = min(n_steps, *(each.n_ahead() for each in self._chosen))
            batch = self._describe()
            index = np.zeros((ahead, len(batch.x)), dtype=np.int64)
            for each, first, offset in zip(self._chosen, batch.firsts, self._offsets, strict=True):
                index[:, first : first + each.size] = each.take(ahead) + offset
            yield batch, self._fill(batch, torch.from_numpy(index).to(self._x.device))
            n_steps -= ahead

    def sum_by_trial(self, batch: Batch, losses: Tensor) -> Tensor:
        """Sum the losses of rows, (R,), over each chosen trial's batch: its mean loss, (K,)."""
        share = batch.share[:, 0]
        # What is without meaning may be another trial's, and not finite.
        counted = torch.where(share != 0, losses * share, 0).cpu()
        return torch.from_numpy(np.add.reduceat(counted.numpy(), batch.firsts))

    def _join(self, data: Sequence[DataSet]) -> None:
        """Put the train splits one behind the other, each distinct one once."""
        distinct = list({id(each): each for each in data}.values())
        if distinct and [id(each) for each in distinct] != [id(each) for each in self._joined]:
            self._joined = distinct
            self._x = _join([each.train.x for each in distinct])
            self._y = _join([each.train.y for each in distinct])
        starts = accumulate((each.train.n_rows for each in distinct), initial=0)
        start = {id(each): first for each, first in zip(distinct, starts, strict=False)}
        self._offsets = [start[id(each)] for each in data]  # of each chosen trial's rows

    def _fill(self, batch: Batch, index: Tensor) -> Iterator[None]:
        for rows in index:
            torch.index_select(self._x, 0, rows, out=batch.x)
            torch.index_select(self._y, 0, rows, out=batch.y)
            yield

    def _describe(self) -> Batch:
        drawn = iter(self._chosen)
        sizes = [max(next(drawn).size for _ in range(count)) for count in self._counts]
        longest = list(map(max, self._longest, sizes))
        rows = [n * count for n, count in zip(longest, self._counts, strict=True)]
        starts = list(accumulate(rows, initial=0))
        if longest != self._longest:
            self._longest = longest
            self._buffers = tuple(
                rows.new_empty(starts[-1], *rows.shape[1:]) for rows in (self._x, self._y)
            )
        x, y = self._buffers
        blocks = zip(starts, sizes, self._counts, strict=False)
        firsts = [start + row * size for start, size, count in blocks for row in range(count)]
        share = np.zeros((starts[-1], 1))
        for each, first in zip(self._chosen, firsts, strict=True):
            share[first : first + each.size] = 1 / each.size
        return Batch(
            x=x,
            y=y,
            share=torch.from_numpy(share).to(x),  # its dtype and device
            starts=starts[:-1],
            sizes=sizes,
            firsts=firsts,
        )


def _join(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))  # (Q1 + Q2 + ..., ...)
