"""Maps and systems that data are drawn from: a linear map, a random one, and a noisy system on top.

They work on NumPy arrays, rows first. The data sources made of them are in `lab1.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ermlab.errors import ConfigError

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearMap:
    """x -> x A, for each row x.

    Args:
        matrix: A, (n, m).
    """

    matrix: Array

    def __call__(self, x: Array) -> Array:
        """Map rows: (Q, n) -> (Q, m)."""
        return np.asarray(x @ self.matrix)


@dataclass(frozen=True, kw_only=True)
class BernoulliMap:
    """A random linear map whose entries are 1 with a probability and else 0, independently.

    Args:
        n_inputs: n, >= 1.
        n_outputs: m, >= 1.
        probability: of a 1 [1], in (0, 1]; None: 1/m, so that a row of A has one 1 on average.

    Raises:
        ConfigError: the probability is not in (0, 1].

    Source:
        the source text's data `lab1`, which takes 1/m.
    """

    n_inputs: int
    n_outputs: int
    probability: float | None

    def __post_init__(self) -> None:
        """Refuse a probability out of range."""
        if self.probability is not None and not 0 < self.probability <= 1:
            raise ConfigError(
                f"probability is {self.probability}, but must be > 0 and <= 1",
                where="data.probability",
                fix="set data.probability to a number in (0, 1], or null for 1/n_outputs",
            )

    def draw(self, rng: np.random.Generator) -> LinearMap:
        """Draw one map, with a matrix of 0.0 and 1.0."""
        probability = 1 / self.n_outputs if self.probability is None else self.probability
        is_one = rng.random((self.n_inputs, self.n_outputs)) < probability
        return LinearMap(matrix=is_one.astype(np.float64))  # (n, m)


@dataclass(frozen=True, kw_only=True)
class GaussianRows:
    """Random rows with independent normal entries of mean 0.

    Args:
        n_columns: entries in a row, >= 1.
        variance: of an entry, >= 0.
    """

    n_columns: int
    variance: float

    def draw(self, n_rows: int, rng: np.random.Generator) -> Array:
        """Draw rows, (n_rows, n_columns); the first ones are the same however many are drawn."""
        return rng.normal(0.0, math.sqrt(self.variance), size=(n_rows, self.n_columns))


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisySystem:
    """A linear map that is seen through noise: y = output(x A + w).

    Args:
        linear: the map x -> x A.
        noise: of what w is drawn, (Q, m).
        output: pointwise, such as `numpy.sign`.
    """

    linear: LinearMap
    noise: GaussianRows
    output: Callable[[Array], Array]

    def respond(self, x: Array, rng: np.random.Generator) -> Array:
        """Give the system's noisy outputs to the inputs x: (Q, n) -> (Q, m)."""
        return np.asarray(self.output(self.linear(x) + self.noise.draw(len(x), rng)))
