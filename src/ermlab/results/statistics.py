"""What scipy and statsmodels say of a few numbers: intervals, tests, and effect sizes.

Which numbers belong together is in `groups.py`. Both packages take a second to import, which waits
until something is compared.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVEL = 0.95  # of the intervals
ALPHA = 0.05  # probability that any group is called worse wrongly
N_RESAMPLES = 9999  # scipy's own default
BOOTSTRAP_SEED = 0  # so that the same runs have the same interval

Interval = tuple[float, float]
NO_INTERVAL: Interval = (math.nan, math.nan)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """How the mean of one group differs from that of another.

    Attributes:
        kind: "paired" over the replicates that both have, or "Welch" for groups of their own.
        n: pairs; for Welch the smaller number of replicates.
        difference: mean of the first minus mean of the second, over what was compared.
        interval: of the difference, by t.
        p_value: of no difference, two-sided; not corrected.
        effect_size: difference in standard deviations: of the differences if paired (Cohen's d_z),
            else pooled and corrected for small groups (Hedges' g).
        samples: the differences if paired, else the values of both groups.
    """

    kind: str
    n: int
    difference: float
    interval: Interval
    p_value: float
    effect_size: float
    samples: tuple[Sequence[float], ...]

    @property
    def bootstrap(self) -> Interval:
        """Give the interval of the difference by bootstrap, which takes a moment."""
        return bootstrap_interval(*self.samples)


def t_interval(values: Sequence[float]) -> Interval:
    """Give the interval of a mean by Student's t; NaN for fewer than two values."""
    from scipy import stats

    if len(values) < 2:
        return NO_INTERVAL
    mean, sem = float(np.mean(values)), float(stats.sem(values))
    if sem == 0:
        return mean, mean
    low, high = stats.t.interval(LEVEL, len(values) - 1, loc=mean, scale=sem)
    return float(low), float(high)


def bootstrap_interval(*samples: Sequence[float]) -> Interval:
    """Give the interval of a mean by bias-corrected and accelerated bootstrap.

    Args:
        samples: one list of values; or two, for the difference of their means.

    Returns:
        The interval, the same at every call; NaN for fewer than two values, or where scipy has
        none. Equal values have one without width.
    """
    from scipy import stats

    if min(map(len, samples)) < 2:
        return NO_INTERVAL
    data = [np.sort(np.asarray(each, dtype=float)) for each in samples]  # whatever their order was
    if all(np.ptp(each) == 0 for each in data):
        point = float(_difference_of_means(*data, axis=0))
        return point, point
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate resamples: scipy then gives NaN
        found = stats.bootstrap(
            data,
            _difference_of_means,
            confidence_level=LEVEL,
            n_resamples=N_RESAMPLES,
            batch=1000,  # own; 1,000 resamples of 10,000 values are 80 MB
            method="BCa",
            vectorized=True,
            rng=np.random.default_rng(BOOTSTRAP_SEED),
        ).confidence_interval
    return float(found.low), float(found.high)


def contrast(first: "pd.Series[float]", second: "pd.Series[float]") -> Contrast | None:
    """Compare the means of two groups, paired where they share most of their replicates.

    Args:
        first: values by replicate; the index tells which belong to one seed.
        second: likewise.

    Returns:
        The contrast; paired where at least two replicates, and half of the smaller group, are in
        both. None where a group has fewer than two.
    """
    if min(len(first), len(second)) < 2:
        return None
    shared = first.index.intersection(second.index)
    if len(shared) >= 2 and 2 * len(shared) >= min(len(first), len(second)):
        return _paired((first[shared] - second[shared]).to_numpy())
    return _welch(first.to_numpy(), second.to_numpy())


def correct(p_values: Sequence[float]) -> list[float]:
    """Correct the p values of groups against the best of them, by Holm's method.

    Which group is the best was chosen from the same numbers, so that each pair of groups might
    have been compared: all pairs are counted, those beside the given ones as if they were equal.
    Counting the given ones alone calls some of 12 equal groups worse 14 times in 100, not 5.

    Args:
        p_values: of each other group against the best; NaN stays and does not count.

    Source:
        Holm (1979), "A simple sequentially rejective multiple test procedure"; counting all pairs
        is own, checked by simulation.
    """
    from statsmodels.stats.multitest import multipletests

    given = np.asarray(p_values, dtype=float)
    is_known = ~np.isnan(given)
    n_known = int(is_known.sum())
    if n_known:
        beside = np.ones(count_pairs(n_known) - n_known)
        every = np.concatenate([given[is_known], beside])
        given[is_known] = multipletests(every, method="holm")[1][:n_known]
    return [float(value) for value in given]


def count_pairs(n_others: int) -> int:
    """Count the pairs among a best group and the others that are compared with it."""
    return n_others * (n_others + 1) // 2


def _paired(differences: np.ndarray) -> Contrast:
    from scipy import stats

    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if spread == 0:  # scipy divides by it
        p_value, effect = _certain(mean)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lost precision, where nearly all are equal
            p_value = float(stats.ttest_1samp(differences, 0.0).pvalue)
        effect = mean / spread
    return Contrast(
        kind="paired",
        n=len(differences),
        difference=mean,
        interval=t_interval(differences.tolist()),
        p_value=p_value,
        effect_size=effect,
        samples=(differences.tolist(),),
    )


def _welch(first: np.ndarray, second: np.ndarray) -> Contrast:
    from scipy import stats
    from statsmodels.stats.meta_analysis import effectsize_smd

    difference = float(first.mean() - second.mean())
    interval: Interval = (difference, difference)
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        p_value, effect = _certain(difference)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lost precision, where nearly all are equal
            found = stats.ttest_ind(first, second, equal_var=False)
        p_value = float(found.pvalue)
        bounds = found.confidence_interval(LEVEL)
        interval = float(bounds.low), float(bounds.high)
        moments = [(np.mean(each), np.std(each, ddof=1), len(each)) for each in (first, second)]
        effect = float(effectsize_smd(*moments[0], *moments[1])[0])
    return Contrast(
        kind="Welch",
        n=min(len(first), len(second)),
        difference=difference,
        interval=interval,
        p_value=p_value,
        effect_size=effect,
        samples=(first.tolist(), second.tolist()),
    )


def _certain(difference: float) -> tuple[float, float]:
    """Give p value and effect size where nothing varies."""
    return (1.0, 0.0) if difference == 0 else (0.0, math.copysign(math.inf, difference))


def _difference_of_means(*samples: np.ndarray, axis: int) -> np.ndarray:
    means = [np.mean(each, axis=axis) for each in samples]
    result: np.ndarray = means[0] - means[1] if len(means) == 2 else means[0]
    return result
