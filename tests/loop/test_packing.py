"""Packing: every number comes back, and the padding is zero."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ermlab.loop.packing import Packing, select_rows

MODELS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=5
)  # (inputs, hidden) of each model: parameters (n, h), (h,), (h, 2)


def make_models(sizes):
    models = []
    for seed, (n, h) in enumerate(sizes):
        generator = torch.Generator().manual_seed(seed)
        shapes = [(n, h), (h,), (h, 2)]
        models.append([torch.rand(shape, generator=generator) + 1 for shape in shapes])
    return models


def pack(models):
    packing = Packing([[tuple(p.shape) for p in model] for model in models])
    return packing, packing.pack(models)


@given(sizes=MODELS)
def test_what_is_packed_comes_back(sizes):
    models = make_models(sizes)
    packing, matrix = pack(models)
    for row, model in enumerate(models):
        back = packing.unpack(matrix, row)
        assert all(torch.equal(a, b) for a, b in zip(model, back, strict=True))


@given(sizes=MODELS)
def test_the_padding_is_zero_and_nothing_else_is(sizes):
    models = make_models(sizes)  # no entry is zero
    _, matrix = pack(models)
    for row, model in enumerate(models):
        assert int((matrix[row] != 0).sum()) == sum(p.numel() for p in model)


@given(sizes=MODELS)
def test_a_layer_holds_each_models_parameter_in_its_corner(sizes):
    models = make_models(sizes)
    packing, matrix = pack(models)
    weights = packing.layers(matrix)[0]  # (K, n, h)
    for row, (n, h) in enumerate(sizes):
        assert torch.equal(weights[row, :n, :h], models[row][0])


@given(sizes=MODELS)
def test_the_mask_is_one_exactly_where_a_parameter_is_real(sizes):
    models = make_models(sizes)
    packing, matrix = pack(models)
    for parameter, layer in enumerate(packing.layers(matrix)):
        mask = packing.mask(parameter, matrix)
        real = torch.ones_like(layer) if mask is None else mask
        assert torch.equal(real, (layer != 0).to(real.dtype))


def test_writing_to_a_layer_writes_to_the_matrix():
    models = make_models([(2, 3), (2, 3)])
    packing, matrix = pack(models)
    packing.layers(matrix)[2][1].fill_(7)
    assert (packing.unpack(matrix, 1)[2] == 7).all()


def test_selected_rows_come_in_the_given_order():
    matrix = torch.arange(6.0).view(3, 2)
    assert select_rows(matrix, [2, 0]).tolist() == [[4, 5], [0, 1]]
