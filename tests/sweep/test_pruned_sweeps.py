"""Whole sweeps that prune, under every launcher, with kills, replicates and each of the options."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from ermlab import rundir
from ermlab.results.load import load_history, load_runs

SEARCH = [
    "hydra/sweeper=study",
    "hydra.sweeper.sampler.seed=1",
    "optimizer.lr=tag(log,interval(0.0001,1))",
    "loop.batch_size=range(20,60)",
    "model.hidden_units=5",
]
SHORT = ["loop.epochs=9", "plot=false", "device=cpu", "dtype=float64", "data.n_train=200"]
LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "stacked": ["hydra/launcher=stacked"],
    "batches": ["hydra/launcher=stacked", "hydra.sweeper.refill=false"],
    "loky": ["hydra/launcher=stacked", "hydra.launcher.n_jobs=2"],
}
PRUNERS = ["median", "halving", "hyperband", "patient", "wilcoxon"]


def command(name, *words, n_trials=16):
    options = [f"hydra.sweep.dir={name}", f"hydra.sweeper.n_trials={n_trials}"]
    return [sys.executable, "-m", "ermlab", "-m", *options, "hydra.sweeper.n_jobs=4", *SEARCH,
            *SHORT, *words]  # fmt: skip


def sweep(folder, name, *words, **options):
    done = subprocess.run(
        command(name, *words, **options), cwd=folder, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return load_runs(folder / name)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_trials_are_pruned_under_every_launcher(launcher, tmp_path):
    table = sweep(tmp_path, "out", *LAUNCHERS[launcher], "hydra/sweeper/pruner=halving")
    assert sorted(table["trial"]) == list(range(16))
    pruned = table["status"] == "pruned"
    assert 4 <= pruned.sum() < 16
    whole = table.loc[table["status"] == "completed"]
    assert (whole["epochs"] == 9).all()
    assert (table.loc[pruned, "epochs"] < 9).all()
    # A pruned run has its best model's loss, from as many validations as it has made.
    history = load_history(tmp_path / "out").groupby("run_dir")
    lowest = history["valid_loss"].min()
    for _, row in table[pruned].iterrows():
        assert row["valid_loss"] == pytest.approx(lowest[row["run_dir"]], rel=1e-12)
    assert table.loc[table["valid_loss"].idxmin(), "test_loss"] > 0
    assert not (tmp_path / "out" / rundir.PRUNER).exists()


@pytest.mark.parametrize("pruner", PRUNERS)
def test_each_pruner_can_be_chosen_and_its_keys_changed(pruner, tmp_path):
    keys = {
        "median": ["n_startup_trials=1"],
        "patient": ["patience=0", "wrapped_pruner=null"],  # at the first validation without gain
        "wilcoxon": ["n_startup_steps=1"],
    }.get(pruner, ["bootstrap_count=0"])
    words = [f"hydra/sweeper/pruner={pruner}", *(f"hydra.sweeper.pruner.{key}" for key in keys)]
    replicates = 5 if pruner == "wilcoxon" else 1
    # One place for each trial: Wilcoxon's test needs replicates one after the other.
    options = [f"hydra.sweeper.replicates={replicates}", "hydra.sweeper.n_jobs=2"]
    places = ["hydra.launcher.stack.max_trials=2"] if replicates > 1 else []
    table = sweep(tmp_path, "out", *LAUNCHERS["stacked"], *words, *options, *places, n_trials=10)
    assert sorted(set(table["trial"])) == list(range(10))
    fewer = len(table) < 10 * replicates
    assert "pruned" in set(table["status"]) or fewer


def test_replicates_of_a_pruned_trial_end_together(tmp_path):
    words = [*LAUNCHERS["stacked"], "hydra/sweeper/pruner=halving", "hydra.sweeper.replicates=2"]
    table = sweep(tmp_path, "out", *words, n_trials=10)
    assert len(table) == 20
    kinds = table.groupby("trial")["status"].nunique()
    assert (kinds == 1).all()
    assert (table.groupby("trial")["steps"].nunique() == 1).all()
    assert 0 < (table["status"] == "pruned").sum() < 20


def test_of_replicates_one_after_the_other_the_last_ends_early(tmp_path):
    words = [*LAUNCHERS["basic"], "hydra/sweeper/pruner=median", "hydra.sweeper.replicates=2",
             "hydra.sweeper.pruner.n_startup_trials=1", "hydra.sweeper.n_jobs=1"]  # fmt: skip
    table = sweep(tmp_path, "out", *words, n_trials=6)
    assert set(table.loc[table["seed"] == 0, "status"]) == {"completed"}
    assert set(table.loc[table["seed"] == 1, "status"]) == {"completed", "pruned"}


def n_finished(folder):
    return len(list(folder.glob(f"*/{rundir.SUMMARY}")))


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_a_killed_sweep_that_prunes_has_the_table_of_the_undisturbed_one(pruner, tmp_path):
    words = [*LAUNCHERS["stacked"], f"hydra/sweeper/pruner={pruner}", "loop.epochs=20"]
    straight = sweep(tmp_path, "straight", *words)
    rng = random.Random(pruner)
    for _ in range(4):
        started = subprocess.Popen(
            command("killed", *words), cwd=tmp_path, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        before, until = n_finished(tmp_path / "killed"), time.monotonic() + 60
        while n_finished(tmp_path / "killed") <= before and started.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.1))
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    resume = [sys.executable, "-m", "ermlab", "resume", "killed"]
    done = subprocess.run(resume, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "killed")
    columns = ["trial", "status", "optimizer.lr", "loop.batch_size", "steps", "valid_loss"]
    pd.testing.assert_frame_equal(table[columns], straight[columns], rtol=1e-9, atol=0)
    assert "pruned" in set(table["status"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["hydra/sweeper/pruner=none_such"], "none_such"),
        (["hydra.sweeper.pruner._target_=os.system"], "os.system"),
        (["hydra.sweeper.pruner._target_=optuna.samplers.TPESampler"], "optuna.samplers"),
        (["hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=-1"], "-1"),
        (["hydra/sweeper/pruner=median", "objective=valid_accuracy"], "valid_accuracy"),
        (["hydra/sweeper/pruner=median", "hydra.sweeper.direction=[minimize,minimize]",
          "objective=[valid_loss,steps]"], "several"),
    ],
)  # fmt: skip
def test_a_wrong_pruner_is_told_in_words(words, told, tmp_path):
    done = subprocess.run(
        command("out", *LAUNCHERS["stacked"], *words, n_trials=2), cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
