"""Global generators: seeded inside a block, as before after it, whatever happens in between."""

import random

import numpy as np
import pytest
import torch

from ermlab.trial.seeding import default_dtype, seeded


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def draw_seeded(seed, purpose):
    with seeded(seed, purpose):
        return draw()


def start(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def test_a_block_draws_the_same_for_the_same_seed_and_purpose():
    first = draw_seeded(1, "init")
    draw()
    assert draw_seeded(1, "init") == first


@pytest.mark.parametrize("other", [(2, "init"), (1, "forward")])
def test_another_seed_or_purpose_draws_other_numbers(other):
    pairs = zip(draw_seeded(1, "init"), draw_seeded(*other), strict=True)
    assert all(one != another for one, another in pairs)


def test_the_generators_go_on_as_if_the_block_had_not_been():
    start(0)
    expected = draw()
    start(0)
    draw_seeded(1, "init")
    assert draw() == expected


@seeded(1, "init")
def draw_and_fail():
    draw()
    raise KeyError


def test_the_generators_go_on_after_an_error_as_well():
    start(0)
    expected = draw()
    start(0)
    with pytest.raises(KeyError):
        draw_and_fail()
    assert draw() == expected


def test_blocks_nest():
    with seeded(1, "init"):
        draw_seeded(2, "data")
        inner = draw()
    assert inner == draw_seeded(1, "init")


@pytest.mark.parametrize("seed", [0, 2**32, 2**63, 10**30])
def test_a_seed_of_any_size_can_be_used(seed):
    assert draw_seeded(seed, "init") == draw_seeded(seed, "init")


def test_modules_in_the_block_get_the_dtype():
    with default_dtype(torch.float64):
        assert torch.nn.Linear(2, 2).weight.dtype == torch.float64


def test_the_default_dtype_is_put_back_after_an_error():
    with pytest.raises(KeyError), default_dtype(torch.float64):
        raise KeyError
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_a_gpu_draws_the_same_for_the_same_seed_and_goes_on_as_before():
    device = torch.device("cuda")
    torch.cuda.manual_seed(0)
    expected = torch.rand((), device=device).item()
    torch.cuda.manual_seed(0)
    drawn = []
    for _ in range(2):
        with seeded(1, "forward", device):
            drawn.append(torch.rand((), device=device).item())
    assert drawn[0] == drawn[1]
    assert torch.rand((), device=device).item() == expected
