"""Maps and systems: what they compute, and how they are distributed."""

import numpy as np
import pytest

from ermlab.data.maps import BernoulliMap, GaussianRows, LinearMap, NoisySystem
from ermlab.errors import ConfigError


def test_a_linear_map_multiplies_rows_by_its_matrix() -> None:
    linear = LinearMap(matrix=np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 5.0]]))
    assert linear(np.array([[1.0, 10.0]])).tolist() == [[1.0, 12.0, 50.0]]


@pytest.mark.parametrize("probability", [0.01, 0.3, 1.0])
def test_a_bernoulli_map_has_ones_at_the_rate_of_its_probability(probability: float) -> None:
    matrix = _draw(probability).matrix
    # 160,000 entries: 5 standard errors are at most 0.00573.
    assert matrix.mean() == pytest.approx(probability, abs=0.006)


def test_a_bernoulli_map_holds_zeros_and_ones_only() -> None:
    assert set(np.unique(_draw(0.3).matrix)) == {0.0, 1.0}


def test_no_probability_means_one_1_per_row_on_average() -> None:
    # 400 rows with variance 1 each: 5 standard errors are 0.25.
    assert _draw(None).matrix.sum(axis=1).mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.5, float("nan")])
def test_a_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(ConfigError, match="probability is"):
        BernoulliMap(n_inputs=2, n_outputs=2, probability=probability)


def test_gaussian_rows_have_their_variance() -> None:
    rows = GaussianRows(n_columns=50, variance=0.5).draw(2000, np.random.default_rng(0))
    # 100,000 entries: 5 standard errors of the variance are 0.5 * sqrt(2e-5) * 5 = 0.011.
    assert rows.var() == pytest.approx(0.5, abs=0.012)


def test_the_first_gaussian_rows_are_the_same_however_many_are_drawn() -> None:
    rows = GaussianRows(n_columns=3, variance=1.0)
    few, many = (rows.draw(n, np.random.default_rng(0)) for n in (5, 50))
    np.testing.assert_array_equal(few, many[:5])


def test_a_system_without_noise_gives_the_output_of_the_map() -> None:
    system = NoisySystem(
        linear=LinearMap(matrix=np.array([[2.0], [-3.0]])),
        noise=GaussianRows(n_columns=1, variance=0.0),
        output=np.sign,
    )
    y = system.respond(np.array([[1.0, 0.0], [0.0, 1.0]]), np.random.default_rng(0))
    assert y.tolist() == [[1.0], [-1.0]]


def _draw(probability: float | None) -> LinearMap:
    drawn = BernoulliMap(n_inputs=400, n_outputs=400, probability=probability)
    return drawn.draw(np.random.default_rng(0))
