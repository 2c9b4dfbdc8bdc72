"""Random graphs of communities: who is joined, and how often."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermlab.data.block_model import BlockModel


def draw(n_nodes, n_communities, p_inside, p_across, seed=0):
    model = BlockModel(
        n_nodes=n_nodes, n_communities=n_communities, p_inside=p_inside, p_across=p_across
    )
    return model.draw(np.random.default_rng(seed))


@given(n_nodes=st.integers(1, 40), share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_each_pair_of_nodes_is_joined_at_most_once_and_no_node_to_itself(n_nodes, share, seed):
    n_communities = max(1, round(share * n_nodes))
    ends = draw(n_nodes, n_communities, 0.7, 0.4, seed)
    assert (ends[0] < ends[1]).all()
    assert len({*map(tuple, ends.T)}) == ends.shape[1]
    assert not ends.size or (ends.min() >= 0 and ends.max() < n_nodes)


@given(n_nodes=st.integers(1, 60), n_communities=st.integers(1, 7))
def test_with_certain_edges_every_pair_inside_or_across_is_there(n_nodes, n_communities):
    n_communities = min(n_communities, n_nodes)
    inside = draw(n_nodes, n_communities, 1.0, 0.0)
    across = draw(n_nodes, n_communities, 0.0, 1.0)
    both = np.concatenate([inside, across], axis=1)
    assert len({*map(tuple, both.T)}) == both.shape[1] == n_nodes * (n_nodes - 1) // 2


def test_a_community_is_a_run_of_nodes_as_equal_in_size_as_can_be():
    inside = draw(11, 3, 1.0, 0.0)
    groups = {frozenset(inside[:, (inside == node).any(axis=0)].ravel()) for node in range(11)}
    assert sorted(map(sorted, groups)) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10]]


def test_the_shares_of_edges_are_the_probabilities():
    ends = draw(300, 5, 0.6, 0.2)
    is_inside = ends[0] // 60 == ends[1] // 60
    assert is_inside.sum() / (5 * 60 * 59 / 2) == pytest.approx(0.6, abs=0.02)  # 4 deviations
    assert (~is_inside).sum() / (10 * 60 * 60) == pytest.approx(0.2, abs=0.01)


def test_the_edges_are_spread_evenly_over_the_nodes():
    degrees = np.bincount(draw(400, 1, 0.1, 0.0).ravel(), minlength=400)
    # Binomial(399, 0.1): mean 39.9 and standard deviation 6.
    assert degrees.mean() == pytest.approx(39.9, abs=1.5)
    assert degrees.std() == pytest.approx(6, abs=1)
    assert abs(np.corrcoef(degrees, np.arange(400))[0, 1]) < 0.2


def test_a_large_sparse_graph_takes_no_memory_for_the_pairs_that_are_not_joined():
    ends = draw(100_000, 5, 1e-4, 1e-4)  # 5e9 pairs: as numbers 40 GB
    assert ends.shape[1] == pytest.approx(500_000, rel=0.01)
