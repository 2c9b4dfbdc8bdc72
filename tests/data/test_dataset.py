"""The whole road from arrays to splits on a device."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ermlab.data.dataset import DataSet, make_dataset
from ermlab.errors import ConfigError, DataError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 2.0, size=(50, 4))
Y = RNG.normal(-1.0, 5.0, size=(50, 2))
LABELS = np.arange(50) % 3


def dataset_of(x: object = X, y: object = Y, **changes: Any) -> DataSet:
    options: dict[str, Any] = {
        "sizes": {"train": 30, "valid": 10, "test": 5},
        "partition": "in_order",
        "standardize": "none",
        "seed": 0,
        "dtype": torch.float64,
        "device": "cpu",
        "where": "here",
    }
    return make_dataset(x, y, **(options | changes))


def test_splits_hold_the_rows_in_order() -> None:
    data = dataset_of()
    seen = torch.cat([data.train.x, data.valid.x, data.test.x])
    np.testing.assert_array_equal(seen.numpy(), X[:45])


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_x_and_y_of_a_row_stay_together(seed: int) -> None:
    data = dataset_of(np.arange(50.0), 10 * np.arange(50.0), partition="random", seed=seed)
    for split in (data.train, data.valid, data.test):
        assert torch.equal(10 * split.x, split.y)


@settings(deadline=None)
@given(
    n_changed=st.integers(1, 20),
    shift=st.floats(-1e6, 1e6),
    partition=st.sampled_from(["in_order", "random"]),
)
def test_standardizing_looks_at_train_rows_only(
    n_changed: int, shift: float, partition: str
) -> None:
    row = dataset_of(np.arange(50.0), Y, partition=partition)
    others = torch.cat([row.valid.x, row.test.x]).flatten().int().tolist()[:n_changed]
    x, y = X.copy(), Y.copy()
    x[others] += shift
    y[others] -= shift
    options = {"standardize": "inputs_and_targets", "partition": partition}
    before, after = dataset_of(X, Y, **options), dataset_of(x, y, **options)
    assert torch.equal(before.train.x, after.train.x)
    assert torch.equal(before.train.y, after.train.y)


def test_valid_rows_are_scaled_as_the_train_rows_were() -> None:
    data = dataset_of(standardize="inputs")
    expected = (X[30:40] - X[:30].mean(axis=0)) / X[:30].std(axis=0)
    # The same formula: rounding only.
    np.testing.assert_allclose(data.valid.x.numpy(), expected, rtol=1e-12)


def test_an_empty_split_has_no_rows() -> None:
    data = dataset_of(sizes={"train": 30, "valid": 0, "test": 0}, standardize="inputs")
    assert data.valid.n_rows == 0
    assert data.test.x.shape == (0, 4)


def test_numbers_have_the_dtype_asked_for() -> None:
    data = dataset_of(dtype=torch.float32)
    assert data.train.x.dtype == data.train.y.dtype == torch.float32


def test_labels_are_int64() -> None:
    data = dataset_of(y=LABELS, dtype=torch.float32)
    assert data.train.y.dtype == torch.int64
    assert data.has_labels


def test_numbers_are_no_labels() -> None:
    assert not dataset_of().has_labels


def test_the_callers_arrays_are_not_shared() -> None:
    x = X.copy()
    data = dataset_of(x)
    x[:] = 0
    assert data.train.x.all()


def test_read_only_arrays_are_taken() -> None:
    x = X.copy()
    x.flags.writeable = False
    assert dataset_of(x).train.n_rows == 30


def test_sizes_are_found_in_the_data() -> None:
    data = dataset_of()
    assert (data.n_inputs, data.n_outputs) == (4, 2)


def test_an_image_counts_its_pixels_as_inputs() -> None:
    assert dataset_of(np.zeros((50, 1, 8, 8))).n_inputs == 64


def test_a_class_seen_only_in_the_test_split_counts() -> None:
    labels = np.zeros(50, dtype=int)
    labels[44] = 6
    assert dataset_of(y=labels).n_outputs == 7


def test_there_may_be_more_classes_than_occur() -> None:
    assert dataset_of(y=LABELS, n_outputs=10).n_outputs == 10


@pytest.mark.parametrize(
    ("y", "asked"),
    [
        pytest.param(Y, {"n_inputs": 5}, id="inputs"),
        pytest.param(Y, {"n_outputs": 3}, id="outputs"),
        pytest.param(LABELS, {"n_outputs": 2}, id="classes"),
    ],
)
def test_sizes_that_the_data_do_not_have_are_refused(y: object, asked: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"n_\w+ is \d, but"):
        dataset_of(y=y, **asked)


def test_rows_that_differ_are_refused() -> None:
    with pytest.raises(ShapeError):
        dataset_of(X[:-1], Y)


def test_labels_are_never_standardized() -> None:
    with pytest.raises(ConfigError, match="class labels"):
        dataset_of(y=LABELS, standardize="inputs_and_targets")


def test_a_number_too_large_for_float32_is_refused() -> None:
    x = X.copy()
    x[0, 0] = 1e39
    with pytest.raises(DataError, match="too large for float32"):
        dataset_of(x, dtype=torch.float32)
