"""Samples of a wave over the plane."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def draw_waves(n_samples: int, frequency: float, noise: float, seed: int) -> tuple[Array, Array]:
    """Draw points of the square and the height of the wave there.

    Args:
        n_samples: Q.
        frequency: of the wave [1 / unit of x], > 0.
        noise: standard deviation of what is added to the height, >= 0.
        seed: of the draws.

    Returns:
        Inputs (Q, 2) and targets (Q, 1).
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n_samples, 2))
    height = np.sin(frequency * x.sum(axis=1, keepdims=True))
    return x, height + noise * rng.normal(size=height.shape)
