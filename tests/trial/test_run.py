"""What a run leaves behind: its summary, its history, its weights, and its end when it fails."""

import csv
import json
import math

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from safetensors.torch import load_file

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError
from ermlab.trial.build import build_data
from ermlab.trial.run import objective_value, run_trial
from ermlab.trial.targets import allowed_targets, make

TINY = [
    "data.n_inputs=3", "data.n_outputs=2", "data.n_train=20", "data.n_valid=10", "data.n_test=10",
    "model.hidden_units=4", "loop.batch_size=10", "device=cpu",
]  # fmt: skip
CHOICES = {"data": "lab1", "model": "two_layer", "loop": "epochs"}
DESIGN_COLUMNS = [
    "model.hidden_units", "optimizer.lr", "loop.batch_size", "data.n_train", "status",
    "seed", "train_loss", "valid_loss", "test_loss", "test_loss_last",
    "generalization_gap", "best_step", "steps", "epochs", "n_parameters",
    "started_at", "wall_s", "device", "dtype", "stack_size", "error",
    "git_sha", "version_python", "version_torch", "version_numpy", "version_ermlab",
    "version_hydra", "version_optuna", "format",
]  # fmt: skip
LOSSES = ["train_loss", "valid_loss", "test_loss", "test_loss_last"]
DIVERGING = ["optimizer=sgd", "optimizer.lr=1e9"]
BROKEN = """
from torch import nn


class Broken(nn.Linear):
    def forward(self, x):
        if self.training:
            raise ZeroDivisionError("of the user's own")
        return super().forward(x)
"""


def compose_with(*overrides):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return compose("config", overrides=list(overrides))


def train(run_dir, *overrides, **options):
    config = compose_with(*TINY, *overrides)
    return run_trial(config, run_dir=run_dir, choices=CHOICES, allow=allowed_targets(), **options)


def read_summary(run_dir):
    return json.loads((run_dir / rundir.SUMMARY).read_text())


def read_history(run_dir):
    with (run_dir / rundir.HISTORY).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Train a module of the user's that fails at the first step; give the folder it leaves."""
    (tmp_path / "my_broken_net.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    conf, run_dir = tmp_path / "conf", tmp_path / "run"
    (conf / "model").mkdir(parents=True)
    run_dir.mkdir()
    node = {"_target_": "my_broken_net.Broken", "in_features": 3, "out_features": 2}
    (conf / "model" / "mine.yaml").write_text(yaml.safe_dump(node))
    words = [word for word in TINY if not word.startswith("model.")]
    config = compose_with(f"hydra.searchpath=[file://{conf}]", "model=mine", *words)
    with pytest.raises(ZeroDivisionError, match="of the user's own"):
        run_trial(config, run_dir=run_dir, choices={}, allow=allowed_targets(["my_broken_net.*"]))
    return run_dir


def test_the_summary_has_the_columns_of_the_design(tmp_path):
    assert set(train(tmp_path)) >= set(DESIGN_COLUMNS)


def test_the_file_holds_what_the_call_returns(tmp_path):
    assert train(tmp_path) == read_summary(tmp_path)


def test_every_column_is_flat(tmp_path):
    assert not any(isinstance(value, dict | list) for value in train(tmp_path).values())


def test_the_chosen_options_are_columns(tmp_path):
    summary = train(tmp_path)
    assert {group: summary[group] for group in CHOICES} == CHOICES


def test_the_parameters_are_counted(tmp_path):
    assert train(tmp_path, "model.hidden_units=7")["n_parameters"] == 3 * 7 + 7 * 2


def test_the_history_has_one_row_for_each_validation(tmp_path):
    train(tmp_path, "loop.epochs=5")
    assert [int(row["step"]) for row in read_history(tmp_path)] == [1, 3, 5, 7, 9]


def test_the_history_has_the_columns_of_the_design(tmp_path):
    train(tmp_path)
    names = list(read_history(tmp_path)[0])
    assert names == ["step", "epoch", "train_loss", "valid_loss", "wall_s"]


def test_the_lowest_loss_of_the_history_is_the_one_reported(tmp_path):
    summary = train(tmp_path, "optimizer.lr=0.5", "loop.epochs=30")
    rows = read_history(tmp_path)
    best = min(rows, key=lambda row: float(row["valid_loss"]))
    assert (float(best["valid_loss"]), int(best["step"])) == (
        summary["valid_loss"],
        summary["best_step"],
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_best_weights_give_exactly_the_reported_losses(dtype, tmp_path):
    overrides = ["optimizer.lr=0.5", "loop.epochs=30", f"dtype={dtype}"]
    summary = train(tmp_path, *overrides)
    assert summary["best_step"] + 1 < summary["steps"], "best and last model are not the same"
    config, allow = compose_with(*TINY, *overrides), allowed_targets()
    plan = make(config.loop, key="loop", allow=allow)
    kind = getattr(torch, dtype)
    data = build_data(config, plan=plan, dtype=kind, device=torch.device("cpu"), allow=allow)
    module = make(config.model, key="model", allow=allow).to(kind)
    module.load_state_dict(load_file(tmp_path / rundir.BEST))
    for split in ("train", "valid", "test"):
        rows = getattr(data, split)
        with torch.no_grad():
            loss = torch.nn.functional.mse_loss(module(rows.x), rows.y).item()
        assert loss == summary[f"{split}_loss"]


def test_the_last_weights_give_the_test_loss_of_the_last_model(tmp_path):
    train(tmp_path, "optimizer.lr=0.5", "loop.epochs=30")
    best, last = (load_file(tmp_path / name) for name in (rundir.BEST, rundir.LAST))
    assert any(not torch.equal(best[name], last[name]) for name in best)


def test_the_generalization_gap_is_test_loss_less_train_loss(tmp_path):
    summary = train(tmp_path)
    assert summary["generalization_gap"] == summary["test_loss"] - summary["train_loss"]


def test_a_run_that_goes_to_its_end_is_completed(tmp_path):
    summary = train(tmp_path, "loop.epochs=3")
    assert (summary["status"], summary["steps"], summary["epochs"]) == ("completed", 6, 3.0)


def test_a_run_without_progress_is_stopped_early(tmp_path):
    # A step size of 1e-30 changes no parameter, so only the first validation is an improvement.
    summary = train(tmp_path, "loop.epochs=50", "loop.patience=3", "optimizer.lr=1e-30")
    assert (summary["status"], summary["epochs"], summary["best_step"]) == ("stopped_early", 4.0, 1)


def test_a_run_with_infinite_losses_has_diverged(tmp_path):
    assert train(tmp_path, *DIVERGING, "loop.epochs=20")["status"] == "diverged"


def test_a_run_that_diverged_has_no_test_loss(tmp_path):
    train(tmp_path, *DIVERGING, "loop.epochs=20")
    summary = read_summary(tmp_path)
    assert [summary[name] for name in ("test_loss", "test_loss_last", "train_loss")] == [None] * 3


def test_a_run_that_diverged_is_the_worst_for_a_sweep(tmp_path):
    summary = train(tmp_path, *DIVERGING, "loop.epochs=20")
    assert objective_value(summary, "valid_loss") == math.inf


@pytest.mark.parametrize(
    ("status", "value", "objective", "expected"),
    [
        ("completed", 0.5, "valid_loss", 0.5),
        ("stopped_early", 0.5, "valid_accuracy", 0.5),
        ("diverged", 0.5, "valid_loss", math.inf),
        ("diverged", 0.5, "valid_accuracy", -math.inf),
        ("completed", math.nan, "valid_accuracy", -math.inf),
    ],
)
def test_the_objective_is_the_column_or_the_worst_there_is(status, value, objective, expected):
    assert objective_value({"status": status, objective: value}, objective) == expected


@pytest.mark.parametrize("objective", ["valid_loss", "valid_accuracy"])
def test_an_objective_that_the_run_did_not_measure_is_refused(objective):
    with pytest.raises(ConfigError, match="did not measure"):
        objective_value({"status": "completed", objective: None}, objective)


def test_class_labels_bring_columns_of_the_accuracy(tmp_path):
    words = ["data=digits", "model=linear", "loss=cross_entropy", "loop.epochs=2", "device=cpu"]
    summary = run_trial(compose_with(*words), run_dir=tmp_path, choices={}, allow=allowed_targets())
    assert all(
        0.5 < summary[name] <= 1
        for name in ("train_accuracy", "valid_accuracy", "test_accuracy", "test_accuracy_last")
    )
    assert "valid_accuracy" in read_history(tmp_path)[0]


def test_a_loop_without_validation_leaves_its_columns_empty(tmp_path):
    summary = train(tmp_path, "loop=simple", "loop.steps=4", "loop.batch_size=10")
    empty = ["valid_loss", "test_loss", "test_loss_last", "generalization_gap", "best_step"]
    assert [summary[name] for name in empty] == [None] * 5


def test_a_loop_without_validation_keeps_the_last_weights_alone(tmp_path):
    train(tmp_path, "loop=simple", "loop.steps=4", "loop.batch_size=10")
    assert [(tmp_path / name).is_file() for name in (rundir.LAST, rundir.BEST)] == [True, False]


def test_standardized_data_leave_what_undoes_it(tmp_path):
    train(tmp_path, "data.standardize=inputs_and_targets")
    assert (tmp_path / rundir.STANDARDIZATION).is_file()


def test_a_run_tells_each_check_with_the_number_of_steps(tmp_path):
    told = []
    train(tmp_path, "loop.epochs=3", on_check=lambda check, n_steps: told.append((check, n_steps)))
    assert [(check.step, n_steps) for check, n_steps in told] == [(1, 6), (3, 6), (5, 6)]


def test_a_run_leaves_no_temporary_file(tmp_path):
    train(tmp_path)
    expected = {rundir.SUMMARY, rundir.HISTORY, rundir.COLUMNS, rundir.BEST, rundir.LAST}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_an_error_in_the_users_module_leaves_a_row_that_tells_it(broken):
    summary = read_summary(broken)
    assert (summary["status"], summary["error"]) == (
        "failed",
        "ZeroDivisionError: of the user's own",
    )


def test_an_error_in_the_users_module_leaves_its_traceback(broken):
    assert 'raise ZeroDivisionError("of' in (broken / rundir.TRACEBACK).read_text()


def test_a_failed_run_keeps_its_configuration_in_its_row(broken):
    assert read_summary(broken)["optimizer.lr"] == 0.001


def test_a_refused_configuration_leaves_a_failed_row(tmp_path):
    with pytest.raises(ConfigError):
        train(tmp_path, "optimizer.lr=-1", "seed=5")
    summary = read_summary(tmp_path)
    assert (summary["status"], summary["seed"]) == ("failed", 5)
    assert summary["error"].startswith("ConfigError: optimizer.lr is -1.0")


def test_a_seed_that_leads_nowhere_is_refused_and_leaves_a_failed_row(tmp_path):
    with pytest.raises(ConfigError, match="Recursive interpolation"):
        train(tmp_path, "seed=${data.seed}")
    assert read_summary(tmp_path)["status"] == "failed"


def test_an_interrupted_run_leaves_no_summary(tmp_path):
    def interrupt(check, n_steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, on_check=interrupt)
    assert not (tmp_path / rundir.SUMMARY).exists()


def test_an_interrupted_run_keeps_the_history_so_far(tmp_path):
    def interrupt(check, n_steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, on_check=interrupt)
    assert len(read_history(tmp_path)) == 1


def test_a_failure_that_cannot_be_written_down_is_still_raised_as_it_was(tmp_path, caplog):
    with pytest.raises(ConfigError, match="must be > 0"):
        train(tmp_path / "nowhere", "optimizer.lr=-1")
    assert "left no summary" in caplog.text


def test_the_number_of_threads_follows_the_configuration(tmp_path):
    before = torch.get_num_threads()
    try:
        train(tmp_path, "threads=2")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_losses_are_written_with_all_their_digits(tmp_path):
    summary = train(tmp_path, "dtype=float64")
    assert all(read_summary(tmp_path)[name] == summary[name] for name in LOSSES)
    assert all(summary[name] != float(np.float32(summary[name])) for name in LOSSES)


@pytest.mark.parametrize("model", ["two_layer", "linear"])  # linear starts from zeros
def test_a_nudged_start_moves_the_weights_by_rounding_and_no_more(model, tmp_path):
    words = [f"model={model}", "dtype=float64", "loop.epochs=2"]
    sizes = [word for word in TINY if model == "two_layer" or "hidden" not in word]
    weights = []
    for is_nudged in (False, True):
        options = {"choices": CHOICES, "allow": allowed_targets(), "is_nudged": is_nudged}
        run_trial(compose_with(*sizes, *words), run_dir=tmp_path, **options)
        parameters = load_file(tmp_path / rundir.LAST).values()
        weights.append(torch.cat([parameter.flatten() for parameter in parameters]))
    assert not torch.equal(*weights)
    # A few steps of Adam carry one bit, 2e-16, no further.
    torch.testing.assert_close(*weights, rtol=1e-12, atol=1e-15)
