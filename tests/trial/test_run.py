"""A run's summary: its columns, statuses, versions, and the value that a sweep optimizes."""

import json
import math
import platform
import subprocess

import pytest
import torch
from hydra import compose, initialize_config_dir

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.trial.provenance import find_git_sha, find_versions
from ermlab.trial.run import objective_value, run_trial
from ermlab.trial.targets import DEFAULT_ALLOW

COLUMNS = {
    "model.hidden_units", "optimizer.lr", "loop.batch_size", "status", "seed", "train_loss",
    "valid_loss", "test_loss", "test_loss_last", "generalization_gap", "best_step", "steps",
    "epochs", "n_parameters", "wall_s", "device", "dtype", "stack_size", "error", "git_sha",
    "version_torch", "format", "model", "data", "optimizer", "loop", "loss",
}  # fmt: skip


def train(run_dir, *overrides):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        words = ["loop.epochs=2", "device=cpu", *overrides]
        config = compose("config", overrides=words)
    return run_trial(config, run_dir=run_dir, choices={"model": "x"}, allow=DEFAULT_ALLOW)


def test_a_summary_has_the_columns_of_the_design(tmp_path):
    train(tmp_path)
    written = json.loads((tmp_path / rundir.SUMMARY).read_text())
    assert set(written) >= COLUMNS


def test_the_generalization_gap_is_test_minus_train_of_the_best_model(tmp_path):
    summary = train(tmp_path)
    gap = summary["test_loss"] - summary["train_loss"]
    assert summary["generalization_gap"] == pytest.approx(gap, abs=1e-12)


def test_the_number_of_parameters_is_counted(tmp_path):
    assert train(tmp_path, "model.hidden_units=7")["n_parameters"] == 100 * 7 + 7 * 100


def test_a_history_has_a_row_for_each_validation(tmp_path):
    train(tmp_path)
    header, *rows = (tmp_path / rundir.HISTORY).read_text().splitlines()
    assert header == "step,epoch,train_loss,valid_loss,wall_s"
    assert [row.split(",")[:2] for row in rows] == [["19", "1.0"], ["39", "2.0"]]


def test_early_stopping_is_a_status(tmp_path):
    summary = train(tmp_path, "optimizer.lr=0.5", "loop.epochs=50", "loop.patience=2")
    assert summary["status"] == "stopped_early"
    assert summary["epochs"] < 50


def test_labels_give_accuracies(tmp_path):
    summary = train(tmp_path, "data=digits", "loss=cross_entropy")
    assert 0 < summary["valid_accuracy"] <= 1
    assert 0 < summary["test_accuracy"] <= 1


def test_a_diverged_run_is_worth_infinity_to_a_sampler(tmp_path):
    summary = train(tmp_path, "optimizer=sgd", "optimizer.lr=1e9")
    assert summary["status"] == "diverged"
    assert summary["stack_size"] == 1
    assert objective_value(summary, "valid_loss") == math.inf
    assert objective_value(summary, "valid_accuracy") == -math.inf


def test_the_objective_of_a_completed_run_is_its_column(tmp_path):
    summary = train(tmp_path)
    assert objective_value(summary, "train_loss") == summary["train_loss"]


def test_versions_are_those_of_this_process():
    versions = find_versions()
    assert versions["version_python"] == platform.python_version()
    assert versions["version_torch"] == torch.__version__


def test_the_commit_of_a_repository_is_found_and_its_changes_are_told(tmp_path):
    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *name, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-qm", "first")
    sha = git("rev-parse", "HEAD")
    assert find_git_sha(str(tmp_path)) == sha
    (tmp_path / "file").write_text("two")
    find_git_sha.cache_clear()
    assert find_git_sha(str(tmp_path)) == f"{sha}+changes"


def test_a_folder_in_no_repository_has_no_commit(tmp_path):
    assert find_git_sha(str(tmp_path)) is None
