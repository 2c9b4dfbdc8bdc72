"""Batches: which rows, how often, and from which seed."""

from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ermlab.loop.batches import epoch_batches, random_batches

SIZES = st.integers(1, 60).flatmap(lambda q: st.tuples(st.just(q), st.integers(1, q)))


def first_batches(blocks, n_batches):
    rows = (batch for block in blocks for batch in block)
    return list(islice(rows, n_batches))


@given(sizes=SIZES, seed=st.integers(0, 2**32))
def test_every_epoch_covers_each_row_exactly_once(sizes, seed):
    n_rows, batch_size = sizes
    per_epoch = -(-n_rows // batch_size)
    batches = first_batches(
        epoch_batches(n_rows, batch_size, np.random.default_rng(seed)), 3 * per_epoch
    )
    for epoch in range(3):
        rows = np.concatenate(batches[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert sorted(rows) == list(range(n_rows))


@given(sizes=SIZES, seed=st.integers(0, 2**32))
def test_a_random_batch_has_no_row_twice(sizes, seed):
    n_rows, batch_size = sizes
    for batch in first_batches(random_batches(n_rows, batch_size, np.random.default_rng(seed)), 70):
        assert len(set(batch.tolist())) == batch_size
        assert 0 <= batch.min() <= batch.max() < n_rows


def test_epochs_differ_from_each_other():
    batches = first_batches(epoch_batches(20, 20, np.random.default_rng(0)), 2)
    assert batches[0].tolist() != batches[1].tolist()


def test_random_batches_reach_every_row():
    batches = first_batches(random_batches(30, 5, np.random.default_rng(0)), 100)
    assert set(np.concatenate(batches).tolist()) == set(range(30))
