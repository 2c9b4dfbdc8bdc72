"""Which trials share a stack, and why others do not."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.sweep.cost import Work, cost_alone, cost_of_stack
from ermlab.sweep.groups import _divide, plan_groups
from ermlab.sweep.program import make_outline

LIMITS = {"max_trials": 16, "max_bytes": 8_000_000}


def compose_all(*jobs):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return [compose("config", overrides=list(job)) for job in jobs]


def plan(*jobs, **limits):
    configs = compose_all(*jobs)
    return plan_groups(outline(configs), **{**LIMITS, **limits})


def outline(configs):
    return [make_outline(config, {}) for config in configs]


def members(groups):
    return sorted(sorted(group.members) for group in groups)


@pytest.mark.parametrize(
    "job",
    [
        ["seed=5"],
        ["optimizer.lr=0.5"],
        ["optimizer.beta1=0.5"],
        ["optimizer.weight_decay=0.1"],
        ["model.hidden_units=99"],
        ["loop.batch_size=49"],
        ["loop.epochs=19"],
        ["loop.patience=3"],
    ],
    ids=lambda job: job[0],
)
def test_trials_that_differ_in_what_a_stack_holds_apart_share_one(job):
    assert members(plan([], job)) == [[0, 1]]


@pytest.mark.parametrize(
    "job",
    [
        ["model=mlp"],
        ["model.bias=true"],
        ["model.activation=tanh"],
        ["optimizer=sgd"],
        ["loop=testing"],
        ["dtype=float64"],
        ["data.n_train=900"],
        ["loss.outputs=sum"],
        ["loop.partition=in_order"],
    ],
    ids=lambda job: job[0],
)
def test_trials_that_run_another_program_do_not_share_a_stack(job):
    assert members(plan([], job)) == [[0], [1]]


def test_an_optimizer_without_stacked_form_is_told_as_the_reason():
    configs = compose_all([], [])
    for config in configs:
        config.optimizer = {"_target_": "torch.optim.RMSprop", "lr": 0.1}
    groups = plan_groups(outline(configs), **LIMITS)
    assert [group.members for group in groups] == [[0], [1]]
    assert all("torch.optim.RMSprop has no stacked form" in group.reason for group in groups)


def test_a_foreign_module_is_not_stacked_across_batch_sizes():
    configs = compose_all([], ["loop.batch_size=20"], [])
    for config in configs:
        config.model = {"_target_": "torch.nn.Linear", "in_features": 100, "out_features": 100}
    assert members(plan_groups(outline(configs), **LIMITS)) == [[0, 2], [1]]


def test_a_stack_has_no_more_trials_than_it_may():
    groups = plan(*[[f"seed={seed}"] for seed in range(10)], max_trials=4)
    assert max(len(group.members) for group in groups) == 4


def test_a_stack_takes_no_more_memory_than_it_may():
    # 20,000 parameters in float32, with gradients and two states, and 50 rows: 420 kB each.
    groups = plan(*[[f"seed={seed}"] for seed in range(10)], max_bytes=1_000_000)
    assert max(len(group.members) for group in groups) == 2


def test_the_longest_trials_train_together():
    epochs = [40, 1, 42, 2, 41, 3]
    groups = plan(*[[f"loop.epochs={n}"] for n in epochs], max_trials=3)
    assert members(groups) == [[0, 2, 4], [1, 3, 5]]


def test_a_wide_network_hinders_no_narrow_one_from_joining():
    widths = [8, 250, 9, 251]
    groups = plan(*[[f"model.hidden_units={width}"] for width in widths])
    assert members(groups) == [[0, 1, 2, 3]]


WORK = st.builds(
    Work,
    n_params=st.integers(1, 100_000),
    n_layers=st.just(2),
    n_values=st.integers(1, 1000),
    batch_size=st.integers(1, 500),
    n_steps=st.integers(1, 5000),
    item_bytes=st.just(4),
)


@given(trials=st.lists(WORK, min_size=1, max_size=8))
def test_a_stack_costs_more_with_a_trial_more(trials):
    assert cost_of_stack(trials) < cost_of_stack([*trials, trials[0]])


@given(trials=st.lists(WORK, min_size=1, max_size=8))
def test_a_stack_is_predicted_to_cost_no_more_than_its_trials_alone(trials):
    assert cost_of_stack(trials) <= sum(map(cost_alone, trials))


@given(
    trials=st.lists(WORK, min_size=1, max_size=7),
    max_trials=st.integers(1, 4),
    max_bytes=st.integers(1, 3_000_000),
)
def test_no_other_division_costs_less(trials, max_trials, max_bytes):
    groups = _divide(dict(enumerate(trials)), max_trials=max_trials, max_bytes=max_bytes)
    found = [[trials[i] for i in group.members] for group in groups]
    assert sorted(i for group in groups for i in group.members) == list(range(len(trials)))
    assert all(fits(chunk, max_trials, max_bytes) for chunk in found)
    order = sorted(trials, key=lambda work: (-work.n_steps, work.n_bytes))
    cheapest = min(
        sum(map(cost_of_stack, plan))
        for plan in divisions(order)
        if all(fits(chunk, max_trials, max_bytes) for chunk in plan)
    )
    assert sum(map(cost_of_stack, found)) <= cheapest * (1 + 1e-9)


def fits(chunk, max_trials, max_bytes):
    return len(chunk) == 1 or (
        len(chunk) <= max_trials and sum(work.n_bytes for work in chunk) <= max_bytes
    )


def divisions(order):
    """Every way to cut a sequence into chunks."""
    if not order:
        yield []
    for size in range(1, len(order) + 1):
        for rest in divisions(order[size:]):
            yield [order[:size], *rest]


@given(seed=st.integers(0, 1000))
def test_every_trial_is_in_exactly_one_group_and_no_plan_costs_more_than_none(seed):
    rng = np.random.default_rng(seed)
    (base,) = compose_all([])
    configs = []
    for _ in range(12):
        config = base.copy()
        config.model.hidden_units = int(rng.integers(3, 257))
        config.loop.batch_size = int(rng.integers(5, 201))
        configs.append(config)
    groups = plan_groups(outline(configs), **LIMITS)
    alone = plan_groups(outline(configs), max_trials=1, max_bytes=8_000_000)
    assert sorted(member for group in groups for member in group.members) == list(range(12))
    assert sum(g.cost_s for g in groups) <= sum(g.cost_s for g in alone) * (1 + 1e-9)


def test_modules_with_unlike_parts_do_not_share_a_stack():
    configs = compose_all([], [])
    for config, name in zip(configs, ("ReLU", "Tanh"), strict=True):
        parts = [{"_target_": f"torch.nn.{name}"}]
        config.model = {"_target_": "torch.nn.Sequential", "_args_": parts}
    assert members(plan_groups(outline(configs), **LIMITS)) == [[0], [1]]


def test_an_interpolation_counts_by_its_value():
    configs = compose_all(["loss=cross_entropy"], ["loss=cross_entropy", "optimizer.beta1=0.5"])
    for config in configs:
        config.loss.label_smoothing = "${optimizer.beta1}"
    assert members(plan_groups(outline(configs), **LIMITS)) == [[0], [1]]


def test_trials_with_other_environment_variables_do_not_share_a_stack():
    environments = [{"A": "1"}, {"A": "2"}, {"A": "1"}]
    configs = compose_all([], [], [])
    groups = plan_groups(list(map(make_outline, configs, environments)), **LIMITS)
    assert members(groups) == [[0, 2], [1]]
