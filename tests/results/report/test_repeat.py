import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ermlab.results.report.repeat import repeat_run, repeat_sweep

SWEEP_FILE = """\
# @package _global_
# A question.
defaults:
  - override /model: two_layer
  - override /hydra/sweeper: optuna
plot: false
loop:
  epochs: 20
  validate_every: null
data:
  path: a b
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Give a run directory with what Hydra wrote of a run of `sweeps=mine` in a folder."""
    conf, run_dir = tmp_path / "conf", tmp_path / "0"
    (conf / "sweeps").mkdir(parents=True)
    (conf / "sweeps" / "mine.yaml").write_text(SWEEP_FILE)
    (run_dir / ".hydra").mkdir(parents=True)
    source = {"path": str(conf), "schema": "file", "provider": "main"}
    config = {"hydra": {"runtime": {"config_sources": [source]}}}
    (run_dir / ".hydra" / "hydra.yaml").write_text(json.dumps(config))
    write(run_dir, "sweeps=mine", "loop.epochs=3", "optimizer.lr=0.1", "loop.test=false")
    return run_dir


def write(run_dir: Path, *overrides: str) -> None:
    (run_dir / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))


def test_the_file_of_a_sweep_is_spelled_out(run_dir: Path) -> None:
    words = ["model=two_layer", "plot=false", "loop.validate_every=null", "data.path='a b'",
             "loop.epochs=3", "optimizer.lr=0.1"]  # fmt: skip
    assert shlex.split(repeat_run(run_dir, has_test=True)) == ["ermlab", *words]
    assert shlex.split(repeat_run(run_dir, has_test=False)) == ["ermlab", *words, "loop.test=false"]


def test_without_a_sweep_file_the_overrides_are_the_command(run_dir: Path) -> None:
    write(run_dir, "optimizer.lr=0.1", "x=a b")
    assert repeat_run(run_dir, has_test=True) == "ermlab optimizer.lr=0.1 'x=a b'"


def test_a_folder_of_the_user_s_is_named(run_dir: Path) -> None:
    config = json.loads((run_dir / ".hydra" / "hydra.yaml").read_text())
    source = {"path": "/my conf", "schema": "file", "provider": "command-line"}
    config["hydra"]["runtime"]["config_sources"].append(source)
    (run_dir / ".hydra" / "hydra.yaml").write_text(json.dumps(config))
    assert repeat_run(run_dir, has_test=True).startswith("ermlab --config-dir '/my conf' model=")
    assert repeat_sweep(config) == "ermlab -m --config-dir '/my conf'"


@pytest.mark.parametrize("name", ["other", "../../secret", "mine,other"])
def test_no_command_is_better_than_a_wrong_one(run_dir: Path, name: str) -> None:
    write(run_dir, f"sweeps={name}", "optimizer.lr=0.1")
    assert repeat_run(run_dir, has_test=True) == ""


def test_a_foreign_file_gives_no_command(run_dir: Path) -> None:
    (run_dir / ".hydra" / "overrides.yaml").write_text("just text")
    assert repeat_run(run_dir, has_test=True) == ""


def test_the_command_of_a_real_sweep_trains_the_same_numbers(
    ermlab_cli: Callable[..., Any], tmp_path: Path
) -> None:
    """The two are trained alike, one in a stack and one alone: equal up to rounding in float64."""
    sweep = ["hydra.sweep.dir=sweep", "sweeps=hidden_step_batch", "hydra/sweeper=study",
             "hydra/launcher=stacked", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2",
             "loop.epochs=2", "dtype=float64"]  # fmt: skip
    assert ermlab_cli("-m", *sweep).returncode == 0
    run_dirs = [tmp_path / "sweep" / name for name in ("0", "1")]
    summaries = [json.loads((each / "summary.json").read_text()) for each in run_dirs]
    best = 0 if summaries[0]["valid_loss"] < summaries[1]["valid_loss"] else 1
    command = shlex.split(repeat_run(run_dirs[best], has_test=True))
    done = ermlab_cli(*command[1:], "hydra.run.dir=again")
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "again" / "summary.json").read_text())
    for name in ("train_loss", "valid_loss", "test_loss"):
        assert again[name] == pytest.approx(summaries[best][name], rel=1e-9), name
