"""The global generators, put back to where they were."""

import random

import numpy as np
import pytest
import torch

from ermlab.errors import CheckpointError
from ermlab.loop.generators import generator_states, restore_generators

CPU = torch.device("cpu")


def draw():
    return [torch.randn(3).tolist(), np.random.normal(), np.random.rand(), random.gauss(0, 1)]


@pytest.fixture(autouse=True)
def as_before():
    states = generator_states(CPU)
    yield
    restore_generators(states, CPU)


@pytest.mark.parametrize("n_draws", [0, 1, 2])  # a normal number may be kept for the next draw
def test_the_same_numbers_are_drawn_again(n_draws):
    for _ in range(n_draws):
        draw()
    states = generator_states(CPU)
    first = [draw() for _ in range(300)]
    restore_generators(states, CPU)
    assert [draw() for _ in range(300)] == first


@pytest.mark.parametrize("position", [-1, 625, 10**9])
def test_a_position_outside_of_the_state_is_refused(position):
    states = generator_states(CPU)
    states["numpy"]["position"] = position
    with pytest.raises(CheckpointError, match=f"is at {position}"):
        restore_generators(states, CPU)
