"""What is taken apart is joined again as it was, through JSON; anything else is refused."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ermlab.errors import CheckpointError
from ermlab.trial.tree import join_tree, split_tree

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


def through_json(value):
    tensors = {}
    return join_tree(json.loads(json.dumps(split_tree(value, tensors))), tensors)


@given(TREES)
def test_plain_values_come_back_with_their_types(value):
    found = through_json(value)
    assert found == value
    assert repr(found) == repr(value)


def test_tensors_come_back_and_share_no_memory():
    shared = torch.arange(6.0)
    value = {"a": shared.view(2, 3).T, 3: [shared, (shared[:0], torch.tensor(True))]}
    tensors = {}
    found = join_tree(split_tree(value, tensors), tensors)
    assert torch.equal(found["a"], value["a"])
    assert torch.equal(found[3][0], shared)
    assert found[3][1][0].shape == (0,)
    assert found[3][1][1].dtype == torch.bool
    assert found[3][0].data_ptr() != shared.data_ptr()


@pytest.mark.parametrize(
    "value", [object(), {1.5: 2}, {"a": [set()]}, torch.eye(2).to_sparse(), torch.float32]
)
def test_what_cannot_be_written_is_refused_with_its_place(value):
    with pytest.raises(CheckpointError, match=r"/x/0 .*cannot be written|/x/0.* is a set"):
        split_tree({"x": [value]}, {})
