"""Diffusions on a random graph: what the course's Lab 2 says of its data."""

import numpy as np
import pytest
import torch

from ermlab.data.source_localization import source_localization
from ermlab.errors import ConfigError

KEYS = {
    "n_nodes": 50, "n_communities": 5, "p_inside": 0.6, "p_across": 0.2, "n_sources": 10,
    "scale": "largest_eigenvalue", "amplitude": 10.0, "n_diffusions": 4, "noise_variance": 1e-3,
    "n_samples": 300, "seed": 3,
}  # fmt: skip


def draw(**changes):
    return source_localization(**{**KEYS, **changes})


def test_the_targets_are_one_amplitude_on_the_sources_of_each_row():
    _, y, _ = draw()
    assert ((y > 0).sum(axis=1) == 10).all()
    assert (y.max(axis=1, keepdims=True) * (y > 0) == y).all()
    assert y.max(axis=1).mean() == pytest.approx(5, abs=0.7)  # uniform on [0, 10): 4 deviations
    assert len({*map(tuple, (y > 0).tolist())}) == 300  # sources of its own in each row


def test_the_inputs_are_the_targets_after_four_shifts_but_for_the_noise():
    x, y, shift = draw(noise_variance=0.0)
    matrix = shift.to_dense().numpy()
    np.testing.assert_allclose(x, y @ np.linalg.matrix_power(matrix, 4).T, rtol=1e-12, atol=1e-14)


def test_each_step_adds_noise_of_the_given_variance():
    _, _, shift = draw()
    x, y, _ = draw(n_samples=4000)
    clean = draw(n_samples=4000, noise_variance=0.0)[0]
    matrix = shift.to_dense().numpy()
    powers = [np.linalg.matrix_power(matrix, k) for k in range(4)]
    expected = 1e-3 * sum(np.trace(p @ p.T) for p in powers) / 50
    assert ((x - clean) ** 2).mean() == pytest.approx(expected, rel=0.03)
    assert y.shape == (4000, 50)


def test_the_shift_operator_is_the_adjacency_matrix_over_its_largest_eigenvalue():
    matrix = draw()[2].to_dense()
    assert torch.equal(matrix, matrix.T)
    assert not matrix.diagonal().any()
    assert len(matrix.unique()) == 2
    assert float(torch.linalg.eigvalsh(matrix).abs().max()) == pytest.approx(1, rel=1e-12)


def test_the_first_rows_and_the_graph_do_not_depend_on_the_number_of_rows():
    few, many = draw(n_samples=7), draw(n_samples=100)
    for a, b in zip(few[:2], many[:2], strict=True):
        np.testing.assert_allclose(a, b[:7], rtol=1e-12)
    assert torch.equal(few[2].to_dense(), many[2].to_dense())


def test_the_graph_belongs_to_the_seed():
    same, other = draw(noise_variance=0.5, n_sources=3)[2], draw(seed=4)[2]
    assert torch.equal(same.to_dense(), draw()[2].to_dense())
    assert not torch.equal(other.to_dense(), same.to_dense())


def test_a_share_of_the_nodes_is_a_number_of_sources():
    assert (draw(n_sources=0.2)[1] == draw(n_sources=10)[1]).all()
    assert ((draw(n_sources=0.001)[1] > 0).sum(axis=1) == 1).all()


@pytest.mark.parametrize("key", ["n_sources", "n_communities"])
def test_more_than_there_are_nodes_is_refused(key):
    with pytest.raises(ConfigError, match=f"{key} is 51, but the graph has 50 nodes"):
        draw(**{key: 51})
