"""Our rules against torch.optim, step by step."""

import pytest
import torch
from torch import nn

from ermlab.errors import CheckpointError
from ermlab.optimizer import rules

PAIRS = {
    "sgd": (rules.Sgd, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.0}),
    "sgd with decay": (rules.Sgd, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.2}),
    "momentum": (
        rules.Momentum,
        torch.optim.SGD,
        {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9, "nesterov": False},
    ),
    "nesterov": (
        rules.Momentum,
        torch.optim.SGD,
        {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.8, "nesterov": True},
    ),
    "adam": (
        rules.Adam,
        torch.optim.Adam,
        {"lr": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1},
    ),
    "adamw": (
        rules.AdamW,
        torch.optim.AdamW,
        {"lr": 0.05, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.3},
    ),
}


def torch_keys(keys):
    keys = dict(keys)
    if "beta1" in keys:
        keys["betas"] = (keys.pop("beta1"), keys.pop("beta2"))
    return keys


def twin_models():
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double())
    return models


def take_step(model, optimizer, seed):
    x = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("pair", sorted(PAIRS))
def test_a_rule_updates_as_torch_optim_does(pair):
    rule, reference, keys = PAIRS[pair]
    ours, theirs = twin_models()
    our_rule = rule(ours.parameters(), **keys)
    their_rule = reference(theirs.parameters(), **torch_keys(keys))
    for seed in range(50):
        take_step(ours, our_rule, seed)
        take_step(theirs, their_rule, seed)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        # The same formula in one kernel instead of several: rounding only.
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("pair", sorted(PAIRS))
def test_a_parameter_without_gradient_stays_as_it_is(pair):
    rule, _, keys = PAIRS[pair]
    used, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = rule([used, unused], **keys)
    for _ in range(2):
        optimizer.zero_grad()
        used.square().sum().backward()
        optimizer.step()
    assert torch.equal(unused, torch.ones(3))
    assert not torch.equal(used, torch.ones(3))


def test_momentum_of_a_parameter_that_gets_its_gradient_later_starts_then():
    keys = {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.9, "nesterov": False}
    results = []
    for make in (rules.Momentum, torch.optim.SGD):
        first, late = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
        optimizer = make([first, late], **keys)
        for step in range(4):
            optimizer.zero_grad()
            (first.square().sum() + (late.square().sum() if step > 1 else 0)).backward()
            optimizer.step()
        results.append((first.detach(), late.detach()))
    torch.testing.assert_close(results[0], results[1])


def test_frozen_parameters_are_left_out():
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    free = nn.Parameter(torch.ones(2))
    optimizer = rules.Sgd([frozen, free], lr=0.1, weight_decay=0.5)
    (free.sum() + frozen.sum()).backward()
    optimizer.step()
    assert torch.equal(frozen, torch.ones(2))


def train_rule(rule, weight, bias, n_steps):
    for _ in range(n_steps):
        rule.zero_grad()
        ((weight**2).sum() + (bias.exp() if rule.sees_bias else 0)).backward()
        rule.step()


@pytest.mark.parametrize("name", PAIRS)
def test_a_rule_goes_on_from_its_state_as_if_it_had_not_stopped(name):
    kind, _, keys = PAIRS[name]
    found = []
    for n_first in (0, 3):  # after 3 steps another rule takes over
        weight, bias = (torch.ones(shape, requires_grad=True) for shape in ((2, 3), ()))
        rule = kind([weight, bias], **keys)
        rule.sees_bias = False  # a parameter without a gradient so far
        train_rule(rule, weight, bias, n_first)
        other = kind([weight, bias], **keys)
        other.load_state_dict(rule.state_dict())
        other.sees_bias = False
        train_rule(other, weight, bias, 3 - n_first)
        other.sees_bias = True
        train_rule(other, weight, bias, 3)
        found.append((weight.detach(), bias.detach()))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_a_state_of_other_parameters_is_refused():
    small, large = (torch.ones(n, requires_grad=True) for n in (2, 3))
    keys = PAIRS["adam"][2]
    with pytest.raises(CheckpointError, match=r"\(3,\) torch.float32, not \(2,\)"):
        rules.Adam([small], **keys).load_state_dict(rules.Adam([large], **keys).state_dict())
