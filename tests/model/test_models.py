"""The models against their formulas, and their starts."""

import pytest
import torch

from ermlab.errors import ConfigError
from ermlab.model.activation import ACTIVATIONS, find_activation
from ermlab.model.linear import Linear
from ermlab.model.mlp import Mlp
from ermlab.model.perceptron import Perceptron
from ermlab.model.two_layer import TwoLayer

X = torch.linspace(-2, 2, 15).reshape(5, 3)


def test_linear_is_a_product_with_a_bias():
    model = Linear(n_inputs=3, n_outputs=2, bias=True, init="fan_in")
    torch.testing.assert_close(model(X), X @ model.weight + model.bias)


def test_perceptron_applies_its_activation_to_the_linear_map():
    model = Perceptron(n_inputs=3, n_outputs=2, bias=False, init="fan_in", activation="tanh")
    torch.testing.assert_close(model(X), torch.tanh(X @ model.layer.weight))


def test_two_layer_is_the_source_texts_formula():
    model = TwoLayer(
        n_inputs=3, n_outputs=2, hidden_units=4, bias=False, init="uniform", activation="relu"
    )
    expected = torch.relu(X @ model.hidden.weight) @ model.output.weight
    torch.testing.assert_close(model(X), expected)


def test_an_mlp_of_two_layers_is_the_two_layer_network():
    keys = {"n_inputs": 3, "n_outputs": 2, "hidden_units": 4, "bias": True, "init": "fan_in"}
    torch.manual_seed(0)
    mlp = Mlp(**keys, n_layers=2, activation="tanh")
    torch.manual_seed(0)
    torch.testing.assert_close(mlp(X), TwoLayer(**keys, activation="tanh")(X))


def test_an_mlp_of_one_layer_is_linear():
    model = Mlp(
        n_inputs=3,
        n_outputs=2,
        hidden_units=9,
        n_layers=1,
        bias=False,
        init="fan_in",
        activation="relu",
    )
    assert sum(p.numel() for p in model.parameters()) == 6
    torch.testing.assert_close(model(X) * 2, model(2 * X))


def test_zeros_start_at_zero():
    assert not Linear(n_inputs=3, n_outputs=2, bias=True, init="zeros").weight.any()


def test_uniform_fills_the_unit_interval():
    weight = Linear(n_inputs=100, n_outputs=100, bias=False, init="uniform").weight
    assert weight.min() >= 0
    assert weight.max() < 1
    assert abs(weight.mean() - 0.5) < 0.02  # its standard deviation is 0.003


def test_fan_in_is_bounded_by_the_root_of_the_inputs_and_fills_the_range():
    weight = Linear(n_inputs=25, n_outputs=100, bias=False, init="fan_in").weight
    assert 0.19 < weight.abs().max() <= 0.2


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_acts_on_each_entry_alone(name):
    sigma = find_activation(name)
    torch.testing.assert_close(sigma(X)[2, 1], sigma(X[2, 1]))


def test_an_unknown_activation_lists_the_known_ones():
    with pytest.raises(ConfigError, match="relu"):
        find_activation("rellu")


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_the_written_derivative_of_an_activation_is_autograds(name):
    sigma = find_activation(name)
    z = torch.linspace(-3, 3, 41, dtype=torch.float64, requires_grad=True)
    gradient = torch.linspace(1, 2, 41, dtype=torch.float64)
    (expected,) = torch.autograd.grad(sigma(z), z, gradient)
    with torch.no_grad():
        written = gradient.clone()
        seen = z if sigma.in_place is None else sigma.in_place(z.clone())
        sigma.backward(written, seen, sigma(z))
    assert torch.equal(written, expected)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_in_place_is_the_same_function(name):
    sigma = find_activation(name)
    if sigma.in_place is not None:
        assert torch.equal(sigma.in_place(X.clone()), sigma(X))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_says_whether_it_keeps_zero(name):
    sigma = find_activation(name)
    assert sigma.keeps_zero == (sigma(torch.zeros(1)).item() == 0)
