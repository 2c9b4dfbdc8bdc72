"""What a model takes and gives: what is written is read back, and damage is told."""

import datetime
import json

import numpy as np
import pytest
import torch

from ermlab.data.columns import Columns, describe_columns
from ermlab.data.dataset import make_dataset
from ermlab.data.names import ColumnNames
from ermlab.errors import DataError


def data(y, names=None):
    return make_dataset(
        np.ones((4, 2, 3)), y, sizes={"train": 2, "valid": 1, "test": 1}, partition="in_order",
        standardize="none", seed=0, dtype=torch.float32, device="cpu", where="test", names=names,
    )  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        None,
        ColumnNames(inputs=["a", "b"], targets=["kind"], classes=["x", "y"]),
        ColumnNames(inputs=["a", "b"], targets=["kind"], classes=[datetime.date(2026, 1, 2), 1.5]),
    ],
)
def test_what_is_written_is_read_back(names):
    columns = describe_columns(data(np.array([0, 1, 1, 0]), names))
    assert Columns.from_dict(json.loads(json.dumps(columns.to_dict()))) == columns
    assert (columns.row_shape, columns.n_inputs, columns.has_labels) == ([2, 3], 6, True)


def test_numbers_have_no_classes():
    columns = describe_columns(data(np.ones((4, 5))))
    assert (columns.n_outputs, columns.has_labels, columns.classes) == (5, False, None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format is 2"),
        ({"n_inputs": "many"}, "ValueError"),
        ({"row_shape": None}, "TypeError"),
    ],
)
def test_a_damaged_description_is_told(change, told):
    saved = describe_columns(data(np.ones((4, 5)))).to_dict() | change
    with pytest.raises(DataError, match=told):
        Columns.from_dict(saved)
