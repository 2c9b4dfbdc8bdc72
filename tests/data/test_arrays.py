"""Checks of what a source returned: what is taken, what is refused and how that is told."""

import numpy as np
import pytest
import torch

from ermlab.data.arrays import check_arrays, unpack_source
from ermlab.errors import DataError, ShapeError

X = np.ones((3, 2))
Y = np.zeros((3, 1))


def test_arrays_of_numbers_pass_unchanged() -> None:
    x, y = check_arrays(X, Y, where="here")
    assert x is X
    assert y is Y


def test_tensors_become_arrays() -> None:
    x, _ = check_arrays(torch.ones(3, 2, requires_grad=True), Y, where="here")
    np.testing.assert_array_equal(x, X)


def test_bfloat16_tensors_become_arrays() -> None:
    x, _ = check_arrays(torch.ones(3, 2, dtype=torch.bfloat16), Y, where="here")
    np.testing.assert_array_equal(x, X)


def test_lists_become_arrays() -> None:
    x, _ = check_arrays([[1, 1], [1, 1], [1, 1]], Y, where="here")
    np.testing.assert_array_equal(x, X)


def test_float32_stays_float32() -> None:
    x, _ = check_arrays(X.astype(np.float32), Y, where="here")
    assert x.dtype == np.float32


def test_one_dimensional_numbers_become_a_column() -> None:
    x, y = check_arrays(np.ones(3), np.zeros(3), where="here")
    assert (x.shape, y.shape) == ((3, 1), (3, 1))


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.bool_])
def test_one_dimensional_integers_and_booleans_are_class_labels(kind: type) -> None:
    _, y = check_arrays(X, np.array([0, 1, 1], dtype=kind), where="here")
    assert y.dtype == np.int64
    assert y.tolist() == [0, 1, 1]


def test_integer_columns_are_numbers_not_labels() -> None:
    _, y = check_arrays(X, np.array([[0], [-1], [1]]), where="here")
    assert y.dtype == np.float64


def test_rows_with_more_dimensions_are_taken() -> None:
    x, _ = check_arrays(np.zeros((3, 1, 8, 8)), Y, where="here")
    assert x.shape == (3, 1, 8, 8)


def test_rows_that_differ_show_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 2\).*\(4, 1\)"):
        check_arrays(X, np.zeros((4, 1)), where="here")


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="x has no rows"):
        check_arrays(np.zeros((0, 2)), np.zeros((0, 1)), where="here")


def test_no_columns_are_refused() -> None:
    with pytest.raises(DataError, match="x has no columns"):
        check_arrays(np.zeros((3, 0)), Y, where="here")


def test_text_is_refused() -> None:
    with pytest.raises(DataError, match="y holds values of type <U3"):
        check_arrays(X, np.array(["cat", "dog", "cat"]), where="here")


def test_objects_are_refused() -> None:
    with pytest.raises(DataError, match="x holds values of type object"):
        check_arrays(X.astype(object), Y, where="here")


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="complex128"):
        check_arrays(X + 1j, Y, where="here")


def test_a_single_number_is_refused() -> None:
    with pytest.raises(DataError, match="y is a single number"):
        check_arrays(X, 3.0, where="here")


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="x is a list that is no array"):
        check_arrays([[1, 2], [3]], Y, where="here")


def test_numbers_that_are_not_finite_are_counted_and_the_first_is_located() -> None:
    x = X.copy()
    x[1, 1], x[2, 0] = np.inf, np.nan
    with pytest.raises(DataError, match=r"2 values .* the first one, inf, at x\[1, 1\]"):
        check_arrays(x, Y, where="here")


def test_a_negative_label_is_located() -> None:
    with pytest.raises(DataError, match=r"label -1 at y\[2\]"):
        check_arrays(X, np.array([0, 1, -1]), where="here")


def test_an_error_says_where() -> None:
    with pytest.raises(DataError) as caught:
        check_arrays(X, None, where="data._target_")
    assert caught.value.where == "data._target_"


@pytest.mark.parametrize("pair", [(X, Y), [X, Y]])
def test_a_pair_is_unpacked(pair: object) -> None:
    x, y, graph = unpack_source(pair, where="here")
    assert x is X
    assert y is Y
    assert graph is None


def test_a_third_value_is_the_graph() -> None:
    assert unpack_source((X, Y, X), where="here")[2] is X


@pytest.mark.parametrize("returned", [None, X, (X, Y, Y, Y), (X,), {"x": X, "y": Y}, X[:2]])
def test_what_is_no_pair_is_refused(returned: object) -> None:
    with pytest.raises(DataError, match=r"must return \(x, y\)"):
        unpack_source(returned, where="here")
