import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from ermlab.results import statistics
from ermlab.results.statistics import bootstrap_interval, contrast, correct, t_interval

FEW = [0.5, 0.75, 1.0, 0.625, 0.875]


def t_quantile(degrees: float) -> float:
    return float(special.stdtrit(degrees, 0.975))


def t_tail(t: float, degrees: float) -> float:
    return float(2 * special.stdtr(degrees, -abs(t)))


def test_the_t_interval_is_the_one_of_the_text_book() -> None:
    half = t_quantile(4) * np.std(FEW, ddof=1) / math.sqrt(5)
    assert t_interval(FEW) == pytest.approx((np.mean(FEW) - half, np.mean(FEW) + half), rel=1e-12)


@pytest.mark.parametrize("interval", [t_interval, bootstrap_interval])
def test_one_value_has_no_interval(interval: object) -> None:
    assert all(map(math.isnan, interval([1.0])))  # type: ignore[operator]
    assert all(map(math.isnan, interval([])))  # type: ignore[operator]


@pytest.mark.parametrize("interval", [t_interval, bootstrap_interval])
def test_equal_values_have_an_interval_without_width(interval: object) -> None:
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)  # type: ignore[operator]


def test_the_bootstrap_does_not_depend_on_the_order_or_the_call() -> None:
    assert bootstrap_interval(FEW) == bootstrap_interval(FEW[::-1]) == bootstrap_interval(FEW)


def test_the_bootstrap_is_near_the_quantiles_of_all_resamples() -> None:
    # All 5^5 resamples instead of 9,999 random ones. The values are symmetric about their mean, so
    # that bias and acceleration vanish; the means lie 1/40 apart, which is the tolerance.
    means = np.array(np.meshgrid(*[FEW] * 5)).reshape(5, -1).mean(axis=0)
    expected = np.quantile(means, [0.025, 0.975])
    np.testing.assert_allclose(bootstrap_interval(FEW), expected, atol=1 / 40)


def test_a_paired_contrast_is_the_t_test_of_the_differences() -> None:
    first = pd.Series([1.0, 2.0, 3.5, 9.0], index=[0, 1, 2, 7])
    second = pd.Series([0.5, 1.75, 2.5, 4.0], index=[1, 0, 2, 8])
    found = contrast(first, second)
    differences = np.array([1.0 - 1.75, 2.0 - 0.5, 3.5 - 2.5])
    sem = np.std(differences, ddof=1) / math.sqrt(3)
    assert found is not None
    assert (found.kind, found.n) == ("paired", 3)
    assert found.difference == pytest.approx(differences.mean(), rel=1e-12)
    assert found.p_value == pytest.approx(t_tail(differences.mean() / sem, 2), rel=1e-9)
    assert found.effect_size == pytest.approx(differences.mean() / np.std(differences, ddof=1))
    half = t_quantile(2) * sem
    expected = (differences.mean() - half, differences.mean() + half)
    assert found.interval == pytest.approx(expected, rel=1e-9)


def test_groups_with_other_seeds_are_compared_as_welch_does() -> None:
    first = pd.Series([1.0, 2.0, 3.5, 9.0], index=[0, 1, 2, 3])
    second = pd.Series([0.5, 1.75, 2.5], index=[4, 5, 6])
    found = contrast(first, second)
    a, b = first.var() / 4, second.var() / 3
    degrees = (a + b) ** 2 / (a**2 / 3 + b**2 / 2)
    difference = first.mean() - second.mean()
    assert found is not None
    assert found.kind == "Welch"
    assert found.p_value == pytest.approx(t_tail(difference / math.sqrt(a + b), degrees), rel=1e-9)
    half = t_quantile(degrees) * math.sqrt(a + b)
    assert found.interval == pytest.approx((difference - half, difference + half), rel=1e-9)
    pooled = math.sqrt((3 * first.var() + 2 * second.var()) / 5)
    assert found.effect_size == pytest.approx(difference / pooled * (1 - 3 / (4 * 5 - 1)), rel=1e-2)
    assert found.bootstrap[0] < difference < found.bootstrap[1]


@pytest.mark.parametrize("index", [[0, 1, 2], [3, 4, 5]], ids=["paired", "Welch"])
@pytest.mark.parametrize(("shift", "p_value"), [(0.0, 1.0), (0.5, 0.0)])
def test_where_nothing_varies_the_answer_is_certain(
    index: list[int], shift: float, p_value: float
) -> None:
    found = contrast(pd.Series([1.0 + shift] * 3), pd.Series([1.0] * 3, index=index))
    assert found is not None
    assert (found.p_value, found.difference, found.interval) == (p_value, shift, (shift, shift))


def test_a_single_replicate_is_not_compared() -> None:
    assert contrast(pd.Series([1.0]), pd.Series([1.0, 2.0])) is None


def test_holm_counts_every_pair_of_groups() -> None:
    # Four groups with three p values, so six pairs: 0.01 * 6; 0.02 * 5; 0.03 * 4, by hand.
    expected = [0.12, math.nan, 0.06, 0.1]
    np.testing.assert_allclose(correct([0.03, math.nan, 0.01, 0.02]), expected, rtol=1e-12)


def test_equal_groups_are_rarely_called_worse_than_the_best_of_them() -> None:
    # 400 times 8 groups of 5 equal seeds: 5 % would be 20, and 30 is more than two standard
    # deviations above. Corrected for the seven tests alone it would be about 40.
    rng = np.random.default_rng(0)
    n_wrong = 0
    for values in rng.normal(size=(400, 8, 5)):
        ordered = values[np.argsort(values.mean(axis=1))]
        p_values = stats.ttest_rel(ordered[1:], np.repeat(ordered[:1], 7, axis=0), axis=1).pvalue
        if min(p_values) < statistics.ALPHA / 7:  # a weaker correction fails the test above
            n_wrong += min(correct(p_values)) < statistics.ALPHA
    assert n_wrong < 30


def test_no_p_value_is_corrected_to_none() -> None:
    assert math.isnan(correct([math.nan])[0])
    assert correct([]) == []


def test_the_level_of_intervals_and_tests_agree() -> None:
    assert pytest.approx(1.0) == statistics.LEVEL + statistics.ALPHA
