"""Chooses the best of TPE's candidates by the compiled density, where that surely finds Optuna's.

The compiled density differs from Optuna's in the last digits. The candidate that it puts first is
Optuna's unless another one comes nearly as high: then nothing is decided here.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import _BatchedCategoricalDistributions

from ermlab.native.parzen import KINDS, Parameter, find_parzen

Array = NDArray[np.float64]

# own: a thousand times what rounding changes, and far less than candidates differ by.
NEARLY_EQUAL = 1e-9
# own: of the widest kernel. In narrower steps Optuna's own digits are lost by cancellation.
NARROWEST_STEP = 1e-4
LOWEST = -600.0  # of the logarithm of a density: below, a double has fewer digits
ROUNDING = 1e-12  # of a range: what the logarithm of one of its ends may lie beyond the other's


def find_best(
    candidates: dict[str, Array], below: _ParzenEstimator, above: _ParzenEstimator
) -> int | None:
    """Find the candidate with the highest ratio of two densities.

    Args:
        candidates: the values of each parameter, (P,).
        below: estimator of the good trials.
        above: estimator of the others, of the same parameters.

    Returns:
        Its index, the first of equal ones; None where that is not sure.
    """
    points = below._transform(candidates)
    logs = [_log_density(points, each._mixture_distribution) for each in (below, above)]
    if logs[0] is None or logs[1] is None:
        return None
    ratios = logs[0] - logs[1]
    if not np.isfinite(ratios).all() or min(logs[0].min(), logs[1].min()) < LOWEST:
        return None
    near = np.flatnonzero(ratios >= ratios.max() - NEARLY_EQUAL)
    is_one = bool((points[near] == points[near[0]]).all())
    return int(near[0]) if is_one else None


def _log_density(points: Array, mixture: Any) -> Array | None:
    """The logarithm of a mixture's density, (P,); None where it cannot be computed here."""
    library = find_parzen()
    if library is None or not mixture.weights[-1] > 0:
        return None
    described = [
        _describe(np.ascontiguousarray(x), each)
        for x, each in zip(points.T, mixture.distributions, strict=True)
    ]
    if None in described:
        return None
    parameters = (Parameter * len(described))(*(each[0] for each in described if each))
    weights = np.ascontiguousarray(mixture.weights)
    result = np.empty(len(points))
    failed = library.ermlab_log_density(
        parameters,
        len(parameters),
        weights.ctypes.data,
        len(weights),
        len(points),
        _farthest(mixture),
        result.ctypes.data,
    )
    return None if failed else result


def _farthest(mixture: Any) -> float:
    """Beyond so many sigmas a kernel is nothing beside the one of the prior, which is the last.

    All others together are at most so many times as high, and there only 1e-18 of that is left.
    """
    weights = mixture.weights
    higher = math.log(len(weights) * weights.max() / weights[-1])
    for each in mixture.distributions:
        if isinstance(each, _BatchedCategoricalDistributions):
            higher += math.log(each.weights.max() / each.weights[-1].min())
        else:
            higher += math.log(each.sigma[-1] / each.sigma.min())
    return math.sqrt(2 * (math.log(1e18) + higher))


def _describe(x: Array, kernels: Any) -> tuple[Parameter, list[Array]] | None:
    """Describe one parameter; with the arrays that the structure points to."""
    if isinstance(kernels, _BatchedCategoricalDistributions):
        weights = np.ascontiguousarray(kernels.weights)
        given = [x, weights]
        kind = Parameter(
            kind=KINDS["choices"],
            left=x.ctypes.data,
            weights=weights.ctypes.data,
            n_choices=weights.shape[1],
        )
        return kind, given
    mu, sigma = np.ascontiguousarray(kernels.mu), np.ascontiguousarray(kernels.sigma)
    half = kernels.step / 2
    left, right = (np.log(ends) if kernels.is_log else ends for ends in (x - half, x + half))
    if half and (right - left).min() < NARROWEST_STEP * sigma.max():
        return None
    low, high = kernels.adapted_low, kernels.adapted_high
    slack = ROUNDING * (high - low)
    # Values of another range, of which Optuna keeps only what lies within; and what it calls NaN.
    if mu.min() < low - slack or mu.max() > high + slack:
        return None
    if not half and (left.min() < low or left.max() > high):
        return None
    parameter = Parameter(
        kind=KINDS["steps" if half else "smooth"],
        mu=mu.ctypes.data,
        sigma=sigma.ctypes.data,
        low=low,
        high=high,
        left=left.ctypes.data,
        right=right.ctypes.data,
    )
    return parameter, [mu, sigma, left, right]
