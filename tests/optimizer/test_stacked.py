"""The stacked rules against torch.optim, each trial with numbers of its own."""

import pytest
import torch
from torch import nn

from ermlab.optimizer import rules
from ermlab.optimizer.stacked import RuleSpec, StackedRule, read_rule

REFERENCES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
SPECS = {
    "sgd": [
        {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0, "nesterov": False},
        {"lr": 0.01, "weight_decay": 0.2, "momentum": 0.9, "nesterov": False},
        {"lr": 0.03, "weight_decay": 0.0, "momentum": 0.8, "nesterov": True},
    ],
    "adam": [
        {"lr": 0.1, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        {"lr": 0.01, "weight_decay": 0.3, "beta1": 0.5, "beta2": 0.9, "eps": 1e-4},
        {"lr": 1.0, "weight_decay": 0.1, "beta1": 0.0, "beta2": 0.99, "eps": 1e-8},
    ],
}
SPECS["adamw"] = SPECS["adam"]


def torch_keys(numbers):
    keys = dict(numbers)
    if "beta1" in keys:
        keys["betas"] = (keys.pop("beta1"), keys.pop("beta2"))
    return keys


def train_alone(kind, numbers, start, gradients):
    parameter = nn.Parameter(start.clone())
    optimizer = REFERENCES[kind]([parameter], **torch_keys(numbers))
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def bind(rule, rows, n_steps, vectors, matrices, *, by_row):
    """Let a rule update the models of some rows of SPECS."""
    rule.bind([SPECS[rule.kind][row] for row in rows], n_steps, vectors, matrices)
    rule.updates_rows = by_row


def zeros(rule, like):
    return [torch.zeros_like(like) for _ in range(rule.n_states)]


def in_two_blocks(vector):
    """Models 0 and 1 as one matrix, model 2 as another."""
    return [vector[:14].view(2, 7), vector[14:].view(1, 7)]


@pytest.mark.parametrize("by_row", [True, False], ids=["rows", "matrix"])
@pytest.mark.parametrize("kind", sorted(SPECS))
def test_each_row_is_updated_as_torch_optim_updates_it_alone(kind, by_row):
    torch.manual_seed(0)
    start = torch.randn(3, 7, dtype=torch.float64)
    gradients = torch.randn(40, 3, 7, dtype=torch.float64)
    rule = StackedRule(kind)
    params, grads = start.flatten().clone(), torch.zeros(start.numel(), dtype=start.dtype)
    vectors = [params, grads, *zeros(rule, params)]
    bind(rule, range(3), [0, 0, 0], vectors, in_two_blocks, by_row=by_row)
    for gradient in gradients:
        grads.copy_(gradient.flatten())
        rule.step()
    params = params.view(start.shape)
    for row, numbers in enumerate(SPECS[kind]):
        alone = train_alone(kind, numbers, start[row], gradients[:, row])
        # The same formula with its terms in another order: rounding only.
        torch.testing.assert_close(params[row], alone, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("by_row", [True, False], ids=["rows", "matrix"])
@pytest.mark.parametrize("kind", sorted(SPECS))
def test_rows_that_leave_and_enter_change_no_other(kind, by_row):
    torch.manual_seed(0)
    start = torch.randn(3, 7, dtype=torch.float64)
    gradients = torch.randn(20, 3, 7, dtype=torch.float64)
    rule = StackedRule(kind)
    params, grads = start[:2].flatten().clone(), torch.zeros(2 * 7).double()
    vectors = [params, grads, *zeros(rule, params)]
    halves = lambda vector: [vector.view(2, 7)]  # noqa: E731  # as `in_two_blocks`
    bind(rule, [0, 1], [0, 0], vectors, halves, by_row=by_row)
    for gradient in gradients[:10]:
        grads.copy_(gradient[:2].flatten())
        rule.step()
    # Model 0 leaves, model 2 begins before model 1.
    old_params, _, *old_states = (vector.view(2, 7)[1] for vector in vectors)
    params = torch.cat([start[2], old_params])
    states = [torch.cat([torch.zeros(7).double(), old]) for old in old_states]
    bind(rule, [2, 1], [0, 10], [params, grads, *states], halves, by_row=by_row)
    for gradient in gradients[10:]:
        grads.copy_(gradient[[2, 1]].flatten())
        rule.step()
    stayed = train_alone(kind, SPECS[kind][1], start[1], gradients[:, 1])
    entered = train_alone(kind, SPECS[kind][2], start[2], gradients[10:, 2])
    torch.testing.assert_close(params[7:], stayed, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(params[:7], entered, rtol=1e-11, atol=1e-13)


def test_our_rules_and_torchs_are_read_alike():
    p = nn.Parameter(torch.zeros(2))
    numbers = {"lr": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-7, "weight_decay": 0.5}
    ours = read_rule(rules.AdamW([p], **numbers))
    theirs = read_rule(torch.optim.AdamW([p], **torch_keys(numbers)))
    assert ours == theirs == RuleSpec(kind="adamw", numbers=numbers)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: torch.optim.RMSprop([p]), "RMSprop"),
        (lambda p: torch.optim.Adam([p], amsgrad=True), "amsgrad"),
        (lambda p: torch.optim.SGD([p], lr=1, momentum=0.9, dampening=0.1), "dampening"),
        (lambda p: torch.optim.SGD([{"params": [p]}, {"params": []}], lr=1), "groups"),
    ],
)
def test_an_optimizer_without_stacked_form_is_told_with_the_reason(make, reason):
    assert reason in read_rule(make(nn.Parameter(torch.zeros(2))))


def test_adam_with_decoupled_decay_is_read_as_adamw():
    adam = torch.optim.Adam([nn.Parameter(torch.zeros(2))], decoupled_weight_decay=True)
    assert read_rule(adam).kind == "adamw"


def test_a_rule_derived_from_ours_is_not_taken_for_it():
    class Mine(rules.Sgd):
        pass

    mine = Mine([nn.Parameter(torch.zeros(2))], lr=0.1, weight_decay=0.0)
    assert "Mine has no stacked form" in read_rule(mine)
