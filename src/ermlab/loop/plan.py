"""The loops of the source text as plans: which batches, how many steps, when to validate.

A plan is what `conf/loop/` configures; `loop.py` carries it out. A user's own plan is any class
with the attributes and methods of `Plan`; `checkpoint_every` of ours is no part of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ermlab.loop.batches import IndexArray, epoch_batches, random_batches


class Plan(Protocol):
    """What the loop asks of a plan."""

    @property
    def batch_size(self) -> int:
        """B, rows of a batch."""
        ...

    @property
    def partition(self) -> str:
        """How rows go to train, valid and test: "in_order" or "random"."""
        ...

    @property
    def patience(self) -> int | None:
        """Validations without a new lowest loss after which training stops; None: never."""
        ...

    @property
    def validates(self) -> bool:
        """Whether the valid split is used and the best model kept."""
        ...

    @property
    def tests(self) -> bool:
        """Whether the test split is read once at the end."""
        ...

    def n_steps(self, n_rows: int) -> int:
        """S, updates in all, for a training split of `n_rows` rows."""
        ...

    def epochs_of(self, n_steps: int, n_rows: int) -> float:
        """Passes over a training split of `n_rows` rows that `n_steps` updates make."""
        ...

    def checks(self, n_rows: int) -> Sequence[int]:
        """The steps, counted from 0 and rising, right after which losses are measured."""
        ...

    def batches(self, n_rows: int, rng: np.random.Generator) -> Iterator[IndexArray]:
        """Yield blocks of batches, (steps, B) row numbers each, at least `n_steps` in all."""
        ...


@dataclass(frozen=True, kw_only=True)
class SimpleLoop:
    """A random batch each step, no validation, no test: the source's first loop.

    Args:
        batch_size: B, rows drawn without repetition at each step.
        steps: S, updates in all.
        record_every: steps between two rows of the history, counted from step 0.
        partition: "in_order" or "random"; only the train split is used.
        checkpoint_every: seconds between two checkpoints, made at a check; None: only at a pause.
            It changes no number, and a plan may lack it.
    """

    batch_size: int
    steps: int
    record_every: int
    partition: str
    checkpoint_every: float | None = None  # a file of the user's may name this class without it
    patience: None = None
    validates: bool = False
    tests: bool = False

    def n_steps(self, n_rows: int) -> int:
        """S, whatever the number of rows."""
        return self.steps

    def epochs_of(self, n_steps: int, n_rows: int) -> float:
        """Rows drawn, in passes over the split."""
        return n_steps * self.batch_size / n_rows

    def checks(self, n_rows: int) -> Sequence[int]:
        """Steps 0, record_every, 2 record_every, ..."""
        return range(0, self.steps, self.record_every)

    def batches(self, n_rows: int, rng: np.random.Generator) -> Iterator[IndexArray]:
        """Random batches, without end."""
        return random_batches(n_rows, self.batch_size, rng)


@dataclass(frozen=True, kw_only=True)
class RandomBatchLoop:
    """A random batch each step, validation, early stopping and test.

    Args:
        batch_size: B, rows drawn without repetition at each step.
        steps: S, updates at most.
        validate_every: steps between two validations, counted from step 0.
        patience: validations without a new lowest loss before training stops; None: never.
        partition: "in_order" or "random".
        test: whether the test split is read once at the end.
        checkpoint_every: seconds between two checkpoints, made at a check; None: only at a pause.
            It changes no number, and a plan may lack it.
    """

    batch_size: int
    steps: int
    validate_every: int
    patience: int | None
    partition: str
    test: bool
    checkpoint_every: float | None = None  # as in `SimpleLoop`
    validates: bool = True

    @property
    def tests(self) -> bool:
        """Whether the test split is read."""
        return self.test

    def n_steps(self, n_rows: int) -> int:
        """S, whatever the number of rows."""
        return self.steps

    def epochs_of(self, n_steps: int, n_rows: int) -> float:
        """Rows drawn, in passes over the split."""
        return n_steps * self.batch_size / n_rows

    def checks(self, n_rows: int) -> Sequence[int]:
        """Steps 0, validate_every, 2 validate_every, ..., as in the source."""
        return range(0, self.steps, self.validate_every)

    def batches(self, n_rows: int, rng: np.random.Generator) -> Iterator[IndexArray]:
        """Random batches, without end."""
        return random_batches(n_rows, self.batch_size, rng)


@dataclass(frozen=True, kw_only=True)
class EpochLoop:
    """Each epoch permutes the training rows and covers all of them once.

    Args:
        batch_size: B; the last batch of an epoch is shorter if B does not divide the rows.
        epochs: passes over the training split at most.
        validate_every: steps between two validations, counted from step 0; None: at the end of
            each epoch.
        patience: validations without a new lowest loss before training stops; None: never.
        partition: "in_order" or "random".
        test: whether the test split is read once at the end.
        checkpoint_every: seconds between two checkpoints, made at a check; None: only at a pause.
            It changes no number, and a plan may lack it.
    """

    batch_size: int
    epochs: int
    validate_every: int | None
    patience: int | None
    partition: str
    test: bool
    checkpoint_every: float | None = None  # as in `SimpleLoop`
    validates: bool = True

    @property
    def tests(self) -> bool:
        """Whether the test split is read."""
        return self.test

    def n_steps(self, n_rows: int) -> int:
        """Batches of all epochs."""
        return self.epochs * self._n_batches(n_rows)

    def epochs_of(self, n_steps: int, n_rows: int) -> float:
        """Whole epochs, and the share of the one begun; its last batch may be short."""
        whole, rest = divmod(n_steps, self._n_batches(n_rows))
        return whole + min(rest * self.batch_size / n_rows, 1.0)

    def checks(self, n_rows: int) -> Sequence[int]:
        """Every `validate_every` steps from step 0, or the last step of each epoch."""
        n_batches = self._n_batches(n_rows)
        if self.validate_every is None:
            return range(n_batches - 1, self.n_steps(n_rows), n_batches)
        return range(0, self.n_steps(n_rows), self.validate_every)

    def batches(self, n_rows: int, rng: np.random.Generator) -> Iterator[IndexArray]:
        """The epochs' batches, without end."""
        return epoch_batches(n_rows, self.batch_size, rng)

    def _n_batches(self, n_rows: int) -> int:
        return -(-n_rows // self.batch_size)
