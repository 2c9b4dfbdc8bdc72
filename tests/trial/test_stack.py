"""The stack against the reference learner: the same numbers, whoever the neighbours are."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import StackError
from ermlab.loop.chain import ChainEngine
from ermlab.loop.loop import train
from ermlab.loop.single import SingleLearner
from ermlab.loop.vmapped import VmapEngine
from ermlab.model.two_layer import TwoLayer
from ermlab.trial.build import build_trial
from ermlab.trial.stack import defines_together, make_engine, stack_trials
from ermlab.trial.targets import DEFAULT_ALLOW

MODELS = {
    "linear": ["model=linear", "model.init=fan_in"],
    "perceptron": ["model=perceptron", "model.activation=sigmoid", "model.bias=true"],
    "two_layer": ["model=two_layer"],
    "mlp": ["model=mlp", "model.activation=tanh", "model.n_layers=3"],
}
OPTIMIZERS = ["sgd", "momentum", "adamw"]
RTOL = 1e-9  # float64 has 16 digits; rounding grows by the steps, and by Adam's division, to here
# Where the reference itself, started one bit beside, ends further away than that, no other order of
# the arithmetic can be held to RTOL: such a trial is held to a hundred times that distance.
CHAOS = 100


def compose_trial(*overrides: str) -> DictConfig:
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return compose("config", overrides=["dtype=float64", "loop.epochs=4", *overrides])


def random_overrides(rng, model, optimizer):
    words = [*MODELS[model], f"optimizer={optimizer}"]
    words.append(f"optimizer.lr={10 ** rng.uniform(-4, 0)}")
    words.append(f"loop.batch_size={int(rng.integers(5, 201))}")
    words.append(f"seed={int(rng.integers(1000))}")
    words.append("data.n_train=300")
    if model in ("two_layer", "mlp"):
        words.append(f"model.hidden_units={int(rng.integers(3, 201))}")
    if rng.random() < 0.3:
        words.append("loop.patience=1")
    return words


def build(overrides):
    return build_trial(compose_trial(*overrides), allow=DEFAULT_ALLOW)


def run(learner, plans):
    checks = []
    outcomes = {}
    train(
        learner, plans, record=checks.append, store=lambda name, place, learner: None,
        finish=outcomes.__setitem__,
    )  # fmt: skip
    places = range(len(plans))
    return [outcomes[place] for place in places], [curve(checks, place) for place in places]


def curve(checks, trial):
    return [
        (int(check.step[trial]), *(float(value[trial]) for value in check.values.values()))
        for check in checks
        if check.due[trial]
    ]


def run_alone(overrides, *, one_bit_beside=False):
    trial = build(overrides)
    if one_bit_beside:
        with torch.no_grad():
            for parameter in trial.parts.module.parameters():
                parameter.mul_(1 + torch.finfo(parameter.dtype).eps)
    outcomes, curves = run(SingleLearner(trial.parts), [trial.plan])
    return outcomes[0], curves[0]


def run_stack(all_overrides, *, one_block=None):
    trials = [build(overrides) for overrides in all_overrides]
    learner = stack_trials([trial.parts for trial in trials], one_block=one_block)
    outcomes, curves = run(learner, [trial.plan for trial in trials])
    return list(zip(outcomes, curves, strict=True))


def assert_equal(stacked, alone):
    (outcome, losses), (expected, expected_losses) = stacked, alone
    np.testing.assert_allclose(losses, expected_losses, rtol=RTOL, atol=0)
    assert outcome.status == expected.status
    assert outcome.steps == expected.steps
    if outcome.best_step != expected.best_step:  # only a tie to rounding may differ
        by_step = {row[0]: row[2] for row in expected_losses}
        assert math.isclose(by_step[outcome.best_step], by_step[expected.best_step], rel_tol=RTOL)
    assert outcome.values.keys() == expected.values.keys()
    for name, value in expected.values.items():
        np.testing.assert_allclose(outcome.values[name], value, rtol=RTOL, atol=0, err_msg=name)


def is_chaotic(alone, beside):
    """Whether the reference, started one bit beside, differs from itself by about RTOL."""
    lengths = {len(alone[1]), len(beside[1])}
    return len(lengths) > 1 or not np.allclose(alone[1], beside[1], rtol=RTOL / CHAOS, atol=0)


def assert_equal_within_chaos(stacked, alone, beside):
    n_checks = min(len(each[1]) for each in (stacked, alone, beside))  # patience may end it sooner
    found, expected, moved = (np.array(each[1][:n_checks]) for each in (stacked, alone, beside))
    drift = np.maximum.accumulate(np.abs(moved - expected), axis=0)
    assert (np.abs(found - expected) <= RTOL * np.abs(expected) + CHAOS * drift).all()


@pytest.mark.parametrize(("model", "optimizer"), list(product(MODELS, OPTIMIZERS)))
def test_random_configurations_train_in_a_stack_as_they_do_alone(model, optimizer):
    # 12 stacks of 6 trials: 72 random configurations in all, each compiled and by torch's products,
    # half of these padded as on a GPU.
    one_block = len(model + optimizer) % 2 == 0
    rng = np.random.default_rng([sorted(MODELS).index(model), OPTIMIZERS.index(optimizer)])
    overrides = [random_overrides(rng, model, optimizer) for _ in range(6)]
    n_chaotic = 0
    stacks = run_stack(overrides), run_stack(overrides, one_block=one_block)
    for *stacked, each in zip(*stacks, overrides, strict=True):
        alone, beside = run_alone(each), run_alone(each, one_bit_beside=True)
        n_chaotic += is_chaotic(alone, beside)
        for found in stacked:
            if is_chaotic(alone, beside):
                assert_equal_within_chaos(found, alone, beside)
            else:
                assert_equal(found, alone)
    assert n_chaotic <= 2, "too few trials were held to RTOL"


def mixed_overrides(n_trials=5):
    rng = np.random.default_rng(11)
    return [random_overrides(rng, "two_layer", "adamw") for _ in range(n_trials)]


def test_permuting_the_trials_permutes_their_results_and_nothing_else():
    overrides = mixed_overrides()
    order = [3, 1, 4, 0, 2]
    straight = run_stack(overrides)
    permuted = run_stack([overrides[i] for i in order])
    for position, original in enumerate(order):
        assert_equal(permuted[position], straight[original])


def test_a_trial_does_not_depend_on_its_neighbours():
    first, *others = mixed_overrides()
    wild = ["model=two_layer", "optimizer=adamw", "optimizer.lr=1e8", "data.n_train=300"]
    assert_equal(run_stack([first, *others])[0], run_stack([first, wild])[0])


def test_a_trial_that_diverges_leaves_the_others_finite():
    calm = ["optimizer=sgd", "optimizer.lr=0.1"]
    wild = ["optimizer=sgd", "optimizer.lr=1e6"]
    stacked = run_stack([calm, wild, calm])
    assert [outcome.status for outcome, _ in stacked] == ["completed", "diverged", "completed"]
    assert_equal(stacked[0], run_alone(calm))
    assert_equal(stacked[1], run_alone(wild))


def test_a_trial_that_diverges_spoils_no_short_batch_of_another():
    # 70 does not divide 1000: after an epoch's last batch old rows of all three are in the buffer.
    keys = ["optimizer=sgd", "loop.batch_size=70", "loop.validate_every=200"]
    lrs = ["1e6", "1e6", "0.1"]  # the last one stands nearest to the old rows
    stacked = run_stack([[*keys, f"optimizer.lr={lr}"] for lr in lrs])
    assert [outcome.status for outcome, _ in stacked] == ["diverged", "diverged", "completed"]
    assert_equal(stacked[2], run_alone([*keys, "optimizer.lr=0.1"]))


def test_labels_and_accuracy_train_in_a_stack_as_alone():
    keys = ["data=digits", "loss=cross_entropy", "optimizer=adam", "loop.epochs=2"]
    overrides = [[*keys, f"model.hidden_units={h}", f"loop.batch_size={b}"] for h, b in
                 ((5, 100), (40, 64), (17, 33))]  # fmt: skip
    for stacked, each in zip(run_stack(overrides), overrides, strict=True):
        assert_equal(stacked, run_alone(each))
        assert "valid_accuracy" in stacked[0].values


@pytest.mark.parametrize("loop", ["simple", "validation", "testing", "random_splits"])
def test_every_loop_trains_in_a_stack_as_alone(loop):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        configs = [
            compose("config", overrides=["dtype=float64", f"loop={loop}", f"loop.steps={s}",
                                         f"seed={s}", "model.hidden_units=8"])
            for s in (60, 75)
        ]  # fmt: skip
    alone = []
    for config in configs:
        trial = build_trial(config.copy(), allow=DEFAULT_ALLOW)
        outcomes, curves = run(SingleLearner(trial.parts), [trial.plan])
        alone.append((outcomes[0], curves[0]))
    trials = [build_trial(config.copy(), allow=DEFAULT_ALLOW) for config in configs]
    outcomes, curves = run(stack_trials([t.parts for t in trials]), [t.plan for t in trials])
    for stacked, expected in zip(zip(outcomes, curves, strict=True), alone, strict=True):
        assert_equal(stacked, expected)


def foreign_trial(seed, lr):
    config = compose_trial(f"seed={seed}", f"optimizer.lr={lr}", "data.n_train=300")
    config.model = {"_target_": "torch.nn.Linear", "in_features": 100, "out_features": 100}
    return build_trial(config, allow=DEFAULT_ALLOW)


def test_a_module_of_torchs_trains_by_vmap_as_alone():
    settings = [(0, 0.01), (1, 0.1), (2, 0.001)]
    alone = []
    for setting in settings:
        trial = foreign_trial(*setting)
        outcomes, curves = run(SingleLearner(trial.parts), [trial.plan])
        alone.append((outcomes[0], curves[0]))
    trials = [foreign_trial(*setting) for setting in settings]
    parts = [trial.parts for trial in trials]
    assert isinstance(make_engine(parts), VmapEngine)
    outcomes, curves = run(stack_trials(parts), [trial.plan for trial in trials])
    for stacked, expected in zip(zip(outcomes, curves, strict=True), alone, strict=True):
        assert_equal(stacked, expected)


def test_our_models_take_the_written_out_program():
    parts = build(["model=mlp"]).parts
    assert isinstance(make_engine([parts]), ChainEngine)


def test_padding_stays_exactly_zero_where_sigma_of_zero_is_not():
    keys = ["model=two_layer", "model.activation=sigmoid", "model.bias=true", "optimizer=adam"]
    narrow, wide = (build([*keys, f"model.hidden_units={h}"]) for h in (3, 20))
    learner = stack_trials([narrow.parts, wide.parts], one_block=True)
    learner.advance(30)
    n_real = sum(p.numel() for p in narrow.parts.module.parameters())
    (matrix,) = learner._packing.matrices(learner._vectors[0])
    assert int(torch.count_nonzero(matrix[0])) == n_real


@pytest.mark.parametrize("one_block", [None, False, True])
def test_equal_and_unlike_trials_that_end_at_unlike_steps_share_a_stack(one_block):
    # Equal ones share a batched product; 7 does not divide 300, so last batches are short.
    keys = ["model=two_layer", "model.bias=true", "optimizer=momentum", "data.n_train=300"]
    settings = [(9, 50, 3), (4, 70, 2), (9, 50, 1), (9, 50, 4), (4, 7, 1)]
    overrides = [
        [*keys, f"model.hidden_units={h}", f"loop.batch_size={b}", f"loop.epochs={e}", f"seed={s}"]
        for s, (h, b, e) in enumerate(settings)
    ]
    stack = run_stack(overrides, one_block=one_block)
    for stacked, each in zip(stack, overrides, strict=True):
        assert_equal(stacked, run_alone(each))


def test_only_equal_models_with_equal_batches_share_a_product():
    overrides = [["model.hidden_units=5"], ["model.hidden_units=6"], ["model.hidden_units=5"],
                 ["model.hidden_units=5", "loop.batch_size=20"]]  # fmt: skip
    parts = [build([*each, "data.n_train=300"]).parts for each in overrides]
    apart, together = (stack_trials(parts, one_block=one_block) for one_block in (False, True))
    for learner in (apart, together):
        learner.advance(1)  # packs them
    assert sorted(apart._packing.counts) == [1, 1, 2]
    assert together._packing.counts == [4]


def test_unlike_optimizers_are_refused_with_both_names():
    parts = [build([f"optimizer={name}"]).parts for name in ("sgd", "adam")]
    with pytest.raises(StackError, match="adam and sgd"):
        stack_trials(parts)


def build_foreign(model, seed=0, **changes):
    config = compose_trial(f"seed={seed}", "data.n_train=300", "loop.epochs=2")
    config.model = model
    for group, content in changes.items():
        config[group] = content
    return build_trial(config, allow=[*DEFAULT_ALLOW, "my_parts.*"])


LINEAR = {"_target_": "torch.nn.Linear", "in_features": 100, "out_features": 100}


def sequential(*layers):
    return {"_target_": "torch.nn.Sequential", "_args_": list(layers)}


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([{"_target_": "torch.nn.Dropout", "p": 0.5}, LINEAR], "draws random numbers"),
        ([{"_target_": "torch.nn.BatchNorm1d", "num_features": 100}, LINEAR], "buffers change"),
    ],
)
def test_a_module_that_a_stack_would_change_is_refused_with_the_reason(layers, reason):
    parts = [build_foreign(sequential(*layers), seed).parts for seed in (0, 1)]
    with pytest.raises(StackError, match=reason):
        stack_trials(parts)


def test_control_flow_that_depends_on_the_data_is_refused_with_the_reason(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)  # my_parts.py
    sizes = {"n_inputs": 100, "n_outputs": 100, "width": 4}
    parts = [build_foreign({"_target_": "my_parts.Branching", **sizes}, s).parts for s in (0, 1)]
    with pytest.raises(StackError, match="cannot vectorize it"):
        stack_trials(parts)


def test_a_stack_is_refused_when_any_of_its_modules_computes_otherwise():
    names = ["ReLU", "ReLU", "Tanh"]
    models = [sequential({"_target_": f"torch.nn.{name}"}, LINEAR) for name in names]
    with pytest.raises(StackError, match="gradients in a stack"):
        stack_trials([build_foreign(model).parts for model in models])


def test_a_class_that_overrides_forward_does_not_inherit_the_written_out_program():
    class Shifted(TwoLayer):
        def forward(self, x):
            return super().forward(x) + 1

    assert not defines_together(Shifted.__new__(Shifted), "forward", "chain")
    assert defines_together(TwoLayer.__new__(TwoLayer), "forward", "chain")


def test_trials_share_data_only_with_the_same_seed(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)  # my_parts.py
    sizes = {"n_inputs": None, "n_outputs": None}
    cache, data = {}, []
    for seed in (0, 1, 0):
        config = compose_trial(f"seed={seed}", "loop.batch_size=10")
        config.data = {"_target_": "my_parts.noisy", **sizes}  # draws, and names no seed
        allow = [*DEFAULT_ALLOW, "my_parts.*"]
        data.append(build_trial(config, allow=allow, cache=cache).parts.data)
    assert data[0] is data[2]
    assert not torch.equal(data[0].train.y, data[1].train.y)


def test_a_trial_diverges_at_its_own_stop_whatever_its_neighbours_stops():
    wild = ["optimizer=sgd", "optimizer.lr=1e9", "loop.validate_every=20", "data.n_train=300"]
    calm = ["optimizer=sgd", "loop.validate_every=7", "data.n_train=300"]
    assert_equal(run_stack([wild, calm])[0], run_alone(wild))
    assert [row[0] for row in run_stack([wild, calm])[0][1]] == [0, 20]
