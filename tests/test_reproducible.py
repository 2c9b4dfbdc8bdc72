"""Same configuration and seed: the same bits, in whatever order and launcher."""

import pandas as pd
from hydra import compose, initialize_config_dir
from safetensors.torch import load_file

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.results.load import load_history, load_runs
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW

LOSSES = ["train_loss", "valid_loss", "test_loss", "test_loss_last", "best_step", "steps"]
SHORT = ["loop.epochs=2", "plot=false"]


def train(folder, *overrides):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=["device=cpu", *SHORT, *overrides])
    folder.mkdir()
    return run_trial(config, run_dir=folder, choices={}, allow=DEFAULT_ALLOW)


def test_a_run_made_again_after_others_has_the_same_bits(tmp_path):
    first = train(tmp_path / "a", "seed=3")
    train(tmp_path / "b", "seed=4", "dtype=float64", "model=mlp")
    again = train(tmp_path / "c", "seed=3")
    assert {k: first[k] for k in LOSSES} == {k: again[k] for k in LOSSES}
    columns = ["step", "epoch", "train_loss", "valid_loss"]
    histories = [load_history(tmp_path / name)[columns] for name in "ac"]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    for name in (rundir.BEST, rundir.LAST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()


def test_another_seed_gives_another_run(tmp_path):
    first, other = train(tmp_path / "a", "seed=3"), train(tmp_path / "b", "seed=4")
    assert first["valid_loss"] != other["valid_loss"]


def test_a_fixed_data_seed_holds_the_data_while_the_start_varies(tmp_path):
    keys = ["data.seed=0", "model=linear", "model.init=zeros", "loop.batch_size=1000"]
    first, other = train(tmp_path / "a", "seed=3", *keys), train(tmp_path / "b", "seed=4", *keys)
    # A start at zero and a batch of all rows leave nothing to draw but the order of a sum.
    assert abs(first["valid_loss"] - other["valid_loss"]) < 1e-6


def test_the_best_weights_are_those_of_the_lowest_validation_loss(tmp_path):
    summary = train(tmp_path / "a", "optimizer.lr=0.1", "loop.epochs=6", "dtype=float64")
    best = load_file(tmp_path / "a" / rundir.BEST)
    last = load_file(tmp_path / "a" / rundir.LAST)
    history = load_history(tmp_path / "a")
    assert summary["valid_loss"] == history["valid_loss"].min()
    assert summary["best_step"] == history["step"][history["valid_loss"].idxmin()]
    assert any((best[name] != last[name]).any() for name in best)


def test_single_runs_multiruns_and_joblib_give_the_same_bits(ermlab_cli, tmp_path):
    words = [*SHORT, "device=cpu"]
    grid = "optimizer.lr=0.01,0.001"
    turned = "optimizer.lr=0.001,0.01"
    commands = {
        "one": ["optimizer.lr=0.01", "hydra.run.dir=one"],
        "basic": ["-m", turned, "hydra.sweep.dir=basic"],
        "joblib": ["-m", grid, "hydra.sweep.dir=joblib", "hydra/launcher=joblib"],
    }
    for name, command in commands.items():
        done = ermlab_cli(*command, *words, cwd=tmp_path)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    found = []
    for name in commands:
        runs = load_runs(tmp_path / name)
        found.append(runs.loc[runs["optimizer.lr"] == 0.01, LOSSES].iloc[0].tolist())
    assert found[0] == found[1] == found[2]
