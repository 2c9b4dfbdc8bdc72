"""Multiruns as one types them: grids, every sampler, and the sweeps of `sweeps/`."""

import math
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ermlab.config.store import find_conf_dir

SHORT = ["loop.epochs=1", "plot=false", "hydra.sweep.dir=sweep"]
SWEEPS = sorted(path.stem for path in (find_conf_dir() / "sweeps").glob("*.yaml"))
OPTUNA = ["hydra/sweeper=optuna", "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=4"]


def read_results(folder: Path) -> pd.DataFrame:
    table = pd.read_parquet(folder / "sweep" / "results.parquet")
    text = pd.read_csv(folder / "sweep" / "results.csv")
    assert list(text["run_dir"].astype(str)) == list(table["run_dir"])
    return table


def test_a_grid_has_a_row_for_each_combination(ermlab_cli, tmp_path):
    done = ermlab_cli("-m", "optimizer.lr=0.1,0.01", "loop.batch_size=20,50", *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = read_results(tmp_path)
    pairs = set(zip(table["optimizer.lr"], table["loop.batch_size"], strict=True))
    assert pairs == {(0.1, 20), (0.1, 50), (0.01, 20), (0.01, 50)}
    assert set(table["status"]) == {"completed"}


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp", "qmc"])
def test_a_sampler_of_optuna_drives_the_unmodified_sweeper(sampler, ermlab_cli, tmp_path):
    # Step sizes of 1000 and more diverge: every sampler must live with an infinite loss.
    space = "optimizer.lr=tag(log,interval(0.1,100000))"
    done = ermlab_cli(
        "-m", *OPTUNA, f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.sampler.seed=1",
        "optimizer=sgd", space, *SHORT, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    table = read_results(tmp_path)
    assert len(table) == 4
    best = yaml.safe_load((tmp_path / "sweep" / "optimization_results.yaml").read_text())
    lowest = table.loc[table["status"] == "completed", "valid_loss"].min()
    assert best["best_value"] == pytest.approx(lowest) or math.isinf(best["best_value"])


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_of_the_folder_runs_from_its_name(name, ermlab_cli, tmp_path):
    few = ["hydra.sweeper.n_trials=3"] if name == "hidden_step_batch" else []
    done = ermlab_cli("-m", f"sweeps={name}", *few, *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = read_results(tmp_path)
    swept = ["model.hidden_units", "optimizer.lr", "loop.batch_size"]
    varied = {c for c in [*swept, "seed"] if table[c].nunique() > 1}
    expected = {
        "step_size": {"optimizer.lr"},
        "batch_size": {"loop.batch_size"},
        "hidden_units": {"model.hidden_units"},
        "hidden_step_batch": set(swept),
        "source_localization": {"seed"},  # and the model
    }
    assert varied == expected.get(name, varied)
    assert varied
    assert "best of" in done.stdout


def test_an_unknown_sweep_lists_the_known_ones(ermlab_cli, tmp_path):
    done = ermlab_cli("-m", "sweeps=nope", cwd=tmp_path)
    assert done.returncode == 1
    assert all(name in done.stderr for name in SWEEPS)


def test_a_sweep_with_a_wrong_value_keeps_the_rows_of_the_others(ermlab_cli, tmp_path):
    done = ermlab_cli("-m", "optimizer.lr=0.1,-1,0.01", *SHORT, cwd=tmp_path)
    assert done.returncode == 1
    assert "optimizer.lr is -1.0, but must be > 0" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(read_results(tmp_path)["status"]) == ["completed", "failed", "completed"]
