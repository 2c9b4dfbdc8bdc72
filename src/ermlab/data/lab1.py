"""The data sources of the source text's first lab: a noisy system whose signs are seen, or not.

The maps that they are made of are in `maps.py`, their sizes in `conf/data/lab1*.yaml`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ermlab.data.maps import BernoulliMap, GaussianRows, NoisySystem
from ermlab.seeds import generator

Array = NDArray[Any]


def lab1(
    *, n_inputs: int, n_outputs: int, n_samples: int, probability: float | None, seed: int
) -> tuple[Array, Array]:
    """Draw y = sign(x A + w), with one A for all rows.

    Args:
        n_inputs: n, >= 1.
        n_outputs: m, >= 1.
        n_samples: Q, rows of all splits together, >= 0.
        probability: of a 1 in A [1], in (0, 1]; None: 1/m.
        seed: of A, x and w, each drawn from a stream of its own.

    Returns:
        x, (Q, n), with independent entries of variance 1/2, and y, (Q, m), of -1.0 and 1.0. The
        first rows are the same for any `n_samples`.

    Raises:
        ConfigError: the probability is not in (0, 1].

    Source:
        the source text's script main_training: x and w are N(0, I/2), A is Bernoulli(1/m). Its
        validation and test scripts draw another A for each split; here the splits share one A.
    """
    return _draw_samples(
        map_of=BernoulliMap(n_inputs=n_inputs, n_outputs=n_outputs, probability=probability),
        x_variance=0.5,
        noise_variance=0.5,
        output=np.sign,
        n_samples=n_samples,
        seed=seed,
    )


def lab1_linear(
    *, n_inputs: int, n_outputs: int, n_samples: int, probability: float | None, seed: int
) -> tuple[Array, Array]:
    """Draw y = x A + w with E|x|^2 = E|w|^2 = 1/2, with one A for all rows.

    Args:
        n_inputs: n, >= 1.
        n_outputs: m, >= 1.
        n_samples: Q, rows of all splits together, >= 0.
        probability: of a 1 in A [1], in (0, 1]; None: 1/m.
        seed: of A, x and w, each drawn from a stream of its own.

    Returns:
        x, (Q, n), and y, (Q, m). The first rows are the same for any `n_samples`.

    Raises:
        ConfigError: the probability is not in (0, 1].

    Source:
        the course's Lab 1, question 3.1: entries of variance 1/(2n) in x and 1/(2m) in w.
    """
    return _draw_samples(
        map_of=BernoulliMap(n_inputs=n_inputs, n_outputs=n_outputs, probability=probability),
        x_variance=0.5 / n_inputs,
        noise_variance=0.5 / n_outputs,
        output=np.asarray,
        n_samples=n_samples,
        seed=seed,
    )


def _draw_samples(
    *,
    map_of: BernoulliMap,
    x_variance: float,
    noise_variance: float,
    output: Callable[[Array], Array],
    n_samples: int,
    seed: int,
) -> tuple[Array, Array]:
    # Three streams: with a single one, the number of rows of x would change the noise.
    map_rng, x_rng, noise_rng = generator(seed, "data").spawn(3)
    system = NoisySystem(
        linear=map_of.draw(map_rng),
        noise=GaussianRows(n_columns=map_of.n_outputs, variance=noise_variance),
        output=output,
    )
    x = GaussianRows(n_columns=map_of.n_inputs, variance=x_variance).draw(n_samples, x_rng)
    return x, system.respond(x, noise_rng)  # (Q, n), (Q, m)
