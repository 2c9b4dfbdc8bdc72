"""The drawn sources: their statistics, and the losses of least squares that FACTS.md knows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ermlab.data.lab1 import Array, lab1, lab1_linear

Source = Callable[..., tuple[Array, Array]]
SOURCES = pytest.mark.parametrize("source", [lab1, lab1_linear])


def drawn(source: Source, **changes: Any) -> tuple[Array, Array]:
    options = {"n_inputs": 100, "n_outputs": 100, "n_samples": 2000, "probability": None, "seed": 0}
    return source(**(options | changes))


def least_squares_errors(source: Source, seed: int) -> tuple[Array, Array]:
    """Squared errors on 1000 train rows and on 3000 test rows of the same system."""
    x, y = drawn(source, n_samples=4000, seed=seed)
    H, *_ = np.linalg.lstsq(x[:1000], y[:1000])
    errors = (x @ H - y) ** 2
    return errors[:1000], errors[1000:]


@SOURCES
def test_arrays_have_the_shapes_asked_for(source: Source) -> None:
    x, y = drawn(source, n_inputs=7, n_outputs=3, n_samples=5)
    assert (x.shape, y.shape) == ((5, 7), (5, 3))


@SOURCES
def test_arrays_are_float64(source: Source) -> None:
    assert all(array.dtype == np.float64 for array in drawn(source))


def test_inputs_of_lab1_have_variance_one_half() -> None:
    x, _ = drawn(lab1)
    # 200,000 entries: 5 standard errors are 0.5 * sqrt(1e-5) * 5 = 0.008.
    assert x.var() == pytest.approx(0.5, abs=0.008)


def test_outputs_of_lab1_are_signs() -> None:
    _, y = drawn(lab1)
    assert set(np.unique(y)) == {-1.0, 1.0}


def test_inputs_of_lab1_linear_have_squared_norm_one_half() -> None:
    x, _ = drawn(lab1_linear)
    # 2000 rows with standard deviation 0.5 * sqrt(2 / 100): 5 standard errors are 0.008.
    assert (x**2).sum(axis=1).mean() == pytest.approx(0.5, abs=0.008)


def test_noise_of_lab1_linear_has_squared_norm_one_half_for_any_width() -> None:
    # A wide enough fit of few inputs leaves the noise alone: 2 of 20,000 rows' freedom is taken.
    x, y = drawn(lab1_linear, n_inputs=2, n_outputs=40, n_samples=20_000)
    H, *_ = np.linalg.lstsq(x, y)
    assert ((y - x @ H) ** 2).sum(axis=1).mean() == pytest.approx(0.5, abs=0.005)


@SOURCES
def test_the_same_seed_draws_the_same_data(source: Source) -> None:
    first, second = drawn(source), drawn(source)
    np.testing.assert_array_equal(first[1], second[1])


@SOURCES
def test_another_seed_draws_other_data(source: Source) -> None:
    assert (drawn(source)[0] != drawn(source, seed=1)[0]).all()


@SOURCES
def test_the_first_rows_do_not_depend_on_how_many_are_drawn(source: Source) -> None:
    few, many = drawn(source, n_samples=10), drawn(source, n_samples=500)
    np.testing.assert_array_equal(few[0], many[0][:10])
    # A product of fewer rows may be summed in another order: rounding only.
    np.testing.assert_allclose(few[1], many[1][:10], atol=1e-12)


@SOURCES
def test_the_inputs_do_not_depend_on_the_probability(source: Source) -> None:
    np.testing.assert_array_equal(drawn(source)[0], drawn(source, probability=0.5)[0])


def test_one_matrix_holds_for_all_rows_of_lab1_linear() -> None:
    x, y = drawn(lab1_linear, n_inputs=20, n_outputs=10, n_samples=8000)
    first, last = (np.linalg.lstsq(x[s], y[s])[0] for s in (slice(0, 4000), slice(4000, 8000)))
    # Each entry has standard error sqrt((1/20) / (4000 / 40)) = 0.022, their difference 0.032.
    np.testing.assert_allclose(first, last, atol=6 * 0.032)


def test_least_squares_on_lab1_has_the_known_losses() -> None:
    train, test = zip(*(least_squares_errors(lab1, seed) for seed in range(4)), strict=True)
    # FACTS.md, ten seeds; means of seeds vary by about .01 with the matrix that is drawn.
    assert np.mean(train) == pytest.approx(0.6842, abs=0.02)
    assert np.mean(test) == pytest.approx(0.8444, abs=0.02)


def test_least_squares_on_lab1_linear_has_the_known_losses() -> None:
    train, test = zip(*(least_squares_errors(lab1_linear, seed) for seed in range(4)), strict=True)
    # FACTS.md; theory says .5 * (1 -+ 100/1000) to first order, for |y - yHat|^2, a sum over m.
    assert 100 * np.mean(train) == pytest.approx(0.4506, abs=0.005)
    assert 100 * np.mean(test) == pytest.approx(0.5554, abs=0.005)
