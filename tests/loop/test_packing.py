"""Packing: every number comes back, and the padding is zero."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ermlab.loop.packing import Packing, count_runs

BLOCKS = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)  # (inputs, hidden) of each model of each block: parameters (n, h), (h,), (h, 2)


def make_models(sizes):
    models = []
    for seed, (n, h) in enumerate(sizes):
        generator = torch.Generator().manual_seed(seed)
        shapes = [(n, h), (h,), (h, 2)]
        models.append([torch.rand(shape, generator=generator) + 1 for shape in shapes])
    return models


def pack(blocks):
    models = make_models([size for block in blocks for size in block])  # no entry is zero
    shapes = [[tuple(p.shape) for p in model] for model in models]
    packing = Packing(shapes, [len(block) for block in blocks])
    return models, packing, packing.pack(models)


@given(blocks=BLOCKS)
def test_what_is_packed_comes_back(blocks):
    models, packing, vector = pack(blocks)
    for row, model in enumerate(models):
        back = packing.unpack(vector, row)
        assert all(torch.equal(a, b) for a, b in zip(model, back, strict=True))


@given(blocks=BLOCKS)
def test_the_padding_is_zero_and_nothing_else_is(blocks):
    models, packing, vector = pack(blocks)
    rows = [row for matrix in packing.matrices(vector) for row in matrix]
    for row, model in zip(rows, models, strict=True):
        assert int((row != 0).sum()) == sum(p.numel() for p in model)


@given(blocks=BLOCKS)
def test_a_block_of_equal_models_has_no_padding(blocks):
    equal = [[block[0]] * len(block) for block in blocks]
    models, _, vector = pack(equal)
    assert len(vector) == sum(p.numel() for model in models for p in model)


@given(blocks=BLOCKS)
def test_a_layer_holds_each_models_parameter_in_its_corner(blocks):
    models, packing, vector = pack(blocks)
    weights = [w for block in range(len(blocks)) for w in packing.layers(vector, block)[0]]
    for weight, model in zip(weights, models, strict=True):  # (n_max, h_max), (n, h)
        n, h = model[0].shape
        assert torch.equal(weight[:n, :h], model[0])


@given(blocks=BLOCKS)
def test_the_mask_is_one_exactly_where_a_parameter_is_real(blocks):
    _, packing, vector = pack(blocks)
    for block in range(len(blocks)):
        for parameter, layer in enumerate(packing.layers(vector, block)):
            mask = packing.mask(parameter, block, vector)
            real = torch.ones_like(layer) if mask is None else mask
            assert torch.equal(real, (layer != 0).to(real.dtype))


def test_writing_to_a_layer_writes_to_the_vector():
    _, packing, vector = pack([[(2, 3), (2, 3)]])
    packing.layers(vector, 0)[2][1].fill_(7)
    assert (packing.unpack(vector, 1)[2] == 7).all()


def test_runs_of_equal_keys_are_counted():
    assert count_runs("aabccc") == [2, 1, 3]
    assert count_runs([]) == []
