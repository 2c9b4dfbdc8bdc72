"""A user's own classes and functions, and torch's, as model, data, loss and optimizer."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import open_dict
from safetensors.torch import load_file

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError, DataError, ShapeError, TargetError
from ermlab.results.load import load_history
from ermlab.trial.build import build_trial
from ermlab.trial.run import run_trial
from ermlab.trial.targets import allowed_targets

SIZES = {"n_inputs": None, "n_outputs": None}  # found in the data
SHORT = ["loop.epochs=2", "loop.batch_size=10", "device=cpu"]
NET = {"_target_": "my_parts.Net", "n_inputs": "${data.n_inputs}", "n_outputs": "${data.n_outputs}"}
NET["width"] = 4
TORCH_LINEAR = {
    "_target_": "torch.nn.Linear",
    "in_features": "${data.n_inputs}",
    "out_features": "${data.n_outputs}",
}

SIZED = {"_target_": "my_parts.counted", "n_train": 20, "n_valid": 0, "n_test": 0}
DROPOUT = {
    "_target_": "my_parts.sequential",
    "_args_": [TORCH_LINEAR, {"_target_": "torch.nn.Dropout", "p": 0.5}],
}
LAZY = {"_target_": "torch.nn.LazyLinear", "out_features": "${data.n_outputs}"}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Give a function that trains with options of the user's own: `train(model={...})`."""
    monkeypatch.syspath_prepend(Path(__file__).parent)  # my_parts.py
    register_schemas()
    n_runs = 0

    def run(*overrides, **options):
        nonlocal n_runs
        n_runs += 1
        conf, run_dir = tmp_path / f"conf{n_runs}", tmp_path / f"run{n_runs}"
        run_dir.mkdir()
        options["data"] = SIZES | options.get("data", {"_target_": "my_parts.arrays"})
        for group, content in options.items():
            (conf / group).mkdir(parents=True)
            (conf / group / "mine.yaml").write_text(yaml.safe_dump(content))
        chosen = [f"{group}=mine" for group in options]
        words = [f"hydra.searchpath=[file://{conf}]", *chosen, *SHORT, *overrides]
        if "loop=simple" in overrides:
            words.remove("loop.epochs=2")
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=words)
        allow = allowed_targets(["my_parts.*"])
        summary = run_trial(config, run_dir=run_dir, choices={}, allow=allow)
        return {**summary, "run_dir": run_dir}

    return run


def weights_of(summary, name=rundir.BEST):
    return load_file(summary["run_dir"] / name)


def assert_same_weights(first, second):
    torch.testing.assert_close(weights_of(first), weights_of(second), rtol=0, atol=0)


def test_a_module_of_the_users_own_is_trained(train):
    summary = train(model=NET)
    # Two layers with biases: 3 x 4 + 4 and 4 x 2 + 2.
    assert (summary["status"], summary["n_parameters"]) == ("completed", 26)


def test_the_sizes_of_the_data_reach_the_model_and_the_summary(train):
    summary = train(model=NET)
    assert (summary["data.n_inputs"], summary["model.n_outputs"]) == (3, 2)


def test_a_module_of_torch_is_trained(train):
    assert weights_of(train(model=TORCH_LINEAR))["weight"].shape == (2, 3)


def test_modules_are_nested_in_a_list(train):
    parts = [TORCH_LINEAR, {"_target_": "torch.nn.Sigmoid"}]
    summary = train(model={"_target_": "my_parts.sequential", "_args_": parts})
    assert summary["n_parameters"] == 8


def test_only_parameters_with_a_gradient_are_counted(train):
    assert train(model={**NET, "_target_": "my_parts.HalfFrozen"})["n_parameters"] == 10


def test_a_frozen_parameter_stays_as_it_was_drawn(train):
    model = {**NET, "_target_": "my_parts.HalfFrozen"}
    few, many = train(model=model), train("loop.epochs=5", model=model)
    torch.testing.assert_close(weights_of(few)["first.weight"], weights_of(many)["first.weight"])


def test_an_optimizer_of_torch_lowers_the_training_loss(train):
    optimizer = {"_target_": "torch.optim.RMSprop", "lr": 0.01, "alpha": 0.9}
    summary = train("loop.epochs=5", model=NET, optimizer=optimizer)
    assert summary["train_loss"] < load_history(summary["run_dir"])["train_loss"][0]


def test_an_optimizer_that_needs_a_closure_finds_the_least_squares(train):
    optimizer = {"_target_": "torch.optim.LBFGS", "line_search_fn": "strong_wolfe"}
    steps = ["loop=simple", "loop.steps=5", "loop.batch_size=20", "dtype=float64"]
    summary = train("data.n_train=20", *steps, data=SIZED, model=TORCH_LINEAR, optimizer=optimizer)
    x = np.arange(60.0).reshape(20, 3) / 20
    y = np.stack([np.sin(x.sum(1)), x[:, 0] - x[:, 1]], axis=1)
    design = np.column_stack([x, np.ones(20)])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    # The optimizer stops at a gradient of 1e-7, so the loss is that close to its minimum.
    np.testing.assert_allclose(summary["train_loss"], np.mean(rest**2), rtol=1e-6)


@pytest.mark.parametrize("kind", ["lists", "tensors"])
def test_data_as_lists_or_tensors_train_as_arrays_do(kind, train):
    assert_same_weights(train(), train(data={"_target_": f"my_parts.{kind}"}))


def test_a_data_function_gets_the_sizes_that_it_names(train):
    sizes = {"n_train": 30, "n_valid": 6, "n_test": 4}
    train(data={"_target_": "my_parts.counted", **sizes})


def test_a_data_function_gets_the_seed_of_the_data(train):
    first = train("seed=1", data={"_target_": "my_parts.seeded", "seed": 0})
    second = train("seed=1", data={"_target_": "my_parts.seeded", "seed": 1})
    assert first["train_loss"] != second["train_loss"]


def test_a_key_that_the_data_function_does_not_take_is_refused(train):
    with pytest.raises(TargetError, match="nois"):
        train(data={"_target_": "my_parts.arrays", "nois": 0.1})


def test_global_draws_of_a_data_function_follow_the_seed(train):
    noisy = {"_target_": "my_parts.noisy"}
    first = train(data=noisy)
    np.random.rand()
    torch.rand(())
    random.random()
    assert_same_weights(first, train(data=noisy))


def test_global_draws_of_a_data_function_differ_between_seeds(train):
    noisy = {"_target_": "my_parts.noisy", "seed": "${seed}"}
    assert train("seed=1", data=noisy)["train_loss"] != train("seed=2", data=noisy)["train_loss"]


def test_a_run_leaves_the_global_generators_as_they_were(train):
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    train(data={"_target_": "my_parts.noisy"}, model=DROPOUT)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


def test_dropout_draws_the_same_for_the_same_seed(train):
    assert_same_weights(train(model=DROPOUT), train(model=DROPOUT))


def test_dropout_draws_are_made_in_training_and_not_in_validation(train):
    # Without an update the two differ by the dropped outputs alone.
    still = {"_target_": "torch.optim.SGD", "lr": 1e-30}
    summary = train(model=DROPOUT, optimizer=still)
    plain = train(model=TORCH_LINEAR, optimizer=still)
    assert summary["valid_loss"] == plain["valid_loss"]
    histories = [load_history(each["run_dir"])["train_loss"][0] for each in (summary, plain)]
    assert histories[0] != histories[1]


def test_a_loss_of_torch_is_measured(train):
    still = {"_target_": "torch.optim.SGD", "lr": 1e-30}
    loop = ["loop=simple", "loop.steps=1", "dtype=float64", "model=linear", "data.n_train=20"]
    loss = {"_target_": "torch.nn.L1Loss"}
    summary = train(*loop, data=SIZED, loss=loss, optimizer=still)
    x = np.arange(60.0).reshape(20, 3) / 20
    y = np.stack([np.sin(x.sum(1)), x[:, 0] - x[:, 1]], axis=1)
    # The linear model starts at zero and is not moved: rounding only.
    np.testing.assert_allclose(summary["train_loss"], np.abs(y).mean(), rtol=1e-12)


def test_a_lazy_module_gets_its_parameters_before_they_are_counted(train):
    assert train(model=LAZY)["n_parameters"] == 8


def test_a_lazy_module_draws_its_parameters_from_the_seed(train):
    assert_same_weights(train(model=LAZY), train(model=LAZY))


def test_the_running_statistics_of_a_batch_norm_are_kept_with_the_best_weights(train):
    norm = {"_target_": "torch.nn.BatchNorm1d", "num_features": "${data.n_inputs}"}
    summary = train(model={"_target_": "my_parts.sequential", "_args_": [norm, TORCH_LINEAR]})
    assert weights_of(summary)["0.num_batches_tracked"] == summary["best_step"] + 1


@pytest.mark.parametrize("group", ["loop", "loss", "model", "optimizer"])
def test_a_group_that_stands_for_another_node_is_made_of_that(group):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=SHORT)
    plain = build_trial(config.copy(), allow=allowed_targets())
    with open_dict(config):
        config.spare = config[group]
        config[group] = "${spare}"
    made = build_trial(config, allow=allowed_targets())
    assert type(made.parts.module) is type(plain.parts.module)
    assert type(made.parts.optimizer) is type(plain.parts.optimizer)
    assert (made.plan, type(made.parts.loss)) == (plain.plan, type(plain.parts.loss))


def test_a_model_without_parameters_is_refused(train):
    with pytest.raises(ConfigError, match="no parameters to train"):
        train(model={"_target_": "my_parts.Scaled"})


def test_a_model_that_is_no_module_is_refused(train):
    with pytest.raises(ConfigError, match="made a int, not a torch"):
        train(model={"_target_": "my_parts.three"})


def test_a_model_that_returns_another_shape_than_the_targets_is_refused(train):
    with pytest.raises(ShapeError, match=r"\(2, 1\), the targets are \(B, m\) = \(2, 2\)"):
        train(model={**NET, "_target_": "my_parts.OneColumn"})


def test_a_model_that_cannot_map_the_inputs_is_refused_with_their_shape(train):
    with pytest.raises(ShapeError, match=r"inputs of shape \(2, 3\)"):
        train(model={**NET, "_target_": "my_parts.Transposed"})


def test_a_data_function_that_returns_no_pair_is_refused_by_name(train):
    with pytest.raises(DataError) as caught:
        train(data={"_target_": "my_parts.only_x"})
    assert caught.value.where == "data (my_parts.only_x)"


@pytest.mark.parametrize("group", ["model", "loss", "optimizer", "data"])
def test_an_option_without_a_target_is_refused(group, train):
    with pytest.raises(TargetError) as caught:
        train(**{group: {"anything": 1}})
    assert caught.value.where == group


@pytest.mark.parametrize("split", ["valid", "test"])
def test_an_empty_split_that_the_loop_uses_is_refused(split, train):
    sizes = {"n_train": 20, "n_valid": 10, "n_test": 10, f"n_{split}": 0}
    with pytest.raises(ConfigError) as caught:
        train(data={"_target_": "my_parts.arrays", **sizes})
    assert caught.value.where == f"data.n_{split}"


def test_a_loop_without_validation_and_test_needs_no_rows_for_them(train):
    assert train("loop=simple", "loop.steps=2", data=SIZED)["status"] == "completed"


def test_a_batch_larger_than_a_share_of_the_rows_is_refused(train):
    with pytest.raises(ConfigError, match="25 rows is larger than the training split of 24"):
        train("loop.batch_size=25")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_parameter_has_the_dtype_of_the_configuration(dtype, train):
    kinds = {value.dtype for value in weights_of(train(f"dtype={dtype}", model=NET)).values()}
    assert kinds == {getattr(torch, dtype)}


def test_torchs_default_dtype_is_left_as_it_was(train):
    train("dtype=float64", model=NET)
    assert torch.get_default_dtype() == torch.float32
