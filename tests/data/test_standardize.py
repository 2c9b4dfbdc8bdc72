"""Standardizing: measured on the rows given, exact for constant columns, saved without loss."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermlab.data.standardize import Array, Standardizer, fit_standardizer
from ermlab.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
X = RNG.normal(5.0, 3.0, size=(40, 3))
Y = RNG.normal(-2.0, 10.0, size=(40, 2))


def fitted(x: Array, y: Array, standardize: str = "inputs_and_targets") -> Standardizer:
    standardizer = fit_standardizer(x, y, standardize=standardize)
    assert standardizer is not None
    return standardizer


def test_inputs_and_targets_get_mean_0_and_deviation_1() -> None:
    for rows in fitted(X, Y).apply(X, Y):
        # Sums of 40 numbers of size 1 round to about 1e-15.
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-13)
        np.testing.assert_allclose(rows.std(axis=0), 1, atol=1e-13)


def test_inputs_alone_leave_the_targets_as_they_are() -> None:
    _, y = fitted(X, Y, "inputs").apply(X, Y)
    assert y is Y


def test_labels_stay_as_they_are_when_inputs_are_standardized() -> None:
    labels = np.arange(40) % 3
    _, y = fitted(X, labels, "inputs").apply(X, labels)
    assert y is labels


def test_none_makes_no_standardizer() -> None:
    assert fit_standardizer(X, Y, standardize="none") is None


@settings(deadline=None)
@given(
    value=st.floats(-1e100, 1e100, allow_subnormal=False),
    n_rows=st.integers(1, 30),
)
def test_a_constant_column_becomes_exactly_zero(value: float, n_rows: int) -> None:
    x = np.full((n_rows, 1), value)
    standardizer = fitted(x, x)
    assert standardizer.inputs.scale.tolist() == [1.0]
    assert not standardizer.inputs.apply(x).any()


def test_a_deviation_too_small_for_float64_is_taken_as_1() -> None:
    x = np.array([[0.0], [1e-200]])
    assert fitted(x, x).inputs.scale.tolist() == [1.0]


def test_no_rows_can_be_standardized() -> None:
    assert fitted(X, Y).inputs.apply(X[:0]).shape == (0, 3)


def test_images_are_standardized_pixel_by_pixel() -> None:
    x = RNG.normal(size=(10, 1, 4, 4))
    assert fitted(x, Y, "inputs").inputs.mean.shape == (1, 4, 4)


def test_undo_gives_the_units_back() -> None:
    targets = fitted(X, Y).targets
    assert targets is not None
    # One multiplication and one addition of numbers of size 10: rounding only.
    np.testing.assert_allclose(targets.undo(targets.apply(Y)), Y, atol=1e-13)


@pytest.mark.parametrize("standardize", ["inputs", "inputs_and_targets"])
def test_what_json_keeps_applies_exactly_as_before(standardize: str) -> None:
    standardizer = fitted(X, Y, standardize)
    read_back = Standardizer.from_dict(json.loads(json.dumps(standardizer.to_dict())))
    for rows, expected in zip(read_back.apply(X, Y), standardizer.apply(X, Y), strict=True):
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"inputs": None, "targets": None},
        {"inputs": {"mean": [0.0], "scale": [1.0]}},
        {"inputs": {"mean": [0.0], "scale": [0.0]}, "targets": None},
        {"inputs": {"mean": [0.0], "scale": [1.0, 1.0]}, "targets": None},
        {"inputs": {"mean": ["a"], "scale": [1.0]}, "targets": None},
    ],
)
def test_a_damaged_saved_standardization_is_refused(saved: dict[str, object]) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        Standardizer.from_dict(saved)


def test_labels_are_never_standardized() -> None:
    with pytest.raises(ConfigError, match="class labels"):
        fit_standardizer(X, np.arange(40), standardize="inputs_and_targets")


def test_an_unknown_choice_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="inputs, inputs_and_targets, none"):
        fit_standardizer(X, Y, standardize="all")


def test_numbers_too_large_for_a_deviation_are_refused() -> None:
    x = np.array([[1e300], [-1e300]])
    with pytest.raises(DataError, match=r"1\.0e\+300"):
        fit_standardizer(x, x, standardize="inputs")
