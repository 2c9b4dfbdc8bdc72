"""A project of a user's, in tests/example: installed as theirs would be, used by its command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ermlab import rundir
from ermlab.results.load import load_runs

ROOT = Path(__file__).parents[1]
SHORT = ["plot=false", "device=cpu", "dtype=float64"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Install the project into a folder, beside the ermlab that these tests run."""
    source = tmp_path_factory.mktemp("project") / "example"
    shutil.copytree(ROOT / "tests" / "example", source)
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target"]
    command = [sys.executable, "-m", "pip", "install", *options, str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


@pytest.fixture
def waves(site, tmp_path):
    """Give a function that runs the project's command in an empty folder."""

    def run(*words):
        path = os.pathsep.join([str(site), str(ROOT / "src")])
        return subprocess.run(
            [sys.executable, str(site / "bin" / "waves"), *words], cwd=tmp_path, text=True,
            env={**os.environ, "PYTHONPATH": path}, capture_output=True, timeout=300, check=False,
        )  # fmt: skip

    return run


def test_a_run_of_the_project_s_own_parts_trains(waves, tmp_path):
    done = waves("model=residual", "data=waves", "loop=blocks", "hydra.run.dir=one", *SHORT)
    assert done.returncode == 0, done.stderr
    row = load_runs(tmp_path / "one").loc[0]
    assert row["status"] == "completed"
    assert row["test_loss"] < 0.45  # the variance of the targets is 0.5


def test_its_sweep_is_stacked_pruned_and_gone_on_with(waves, tmp_path):
    first = ["-m", "sweeps=wave_search", "hydra.sweep.dir=search", *SHORT]
    done = waves(*first, "hydra.sweeper.n_trials=6")
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "search")
    assert len(table) == 12
    assert (table["stack_size"] > 1).any()
    done = waves(*first)
    assert done.returncode == 0, done.stderr
    assert sorted(set(load_runs(tmp_path / "search")["trial"])) == list(range(12))


def test_the_commands_know_its_parts(waves, tmp_path):
    words = ["model=residual", "data=waves", "hydra.sweep.dir=grid", "hydra/launcher=stacked"]
    done = waves("-m", *words, "optimizer.lr=0.001,0.01", "loop.epochs=2", *SHORT)
    assert done.returncode == 0, done.stderr
    done = waves("verify", "grid")
    assert done.returncode == 0, done.stderr
    assert "agree" in done.stdout
    (tmp_path / "grid" / "0" / rundir.SUMMARY).unlink()
    done = waves("resume", "grid/0")
    assert done.returncode == 0, done.stderr


def test_without_the_project_s_word_its_parts_are_not_called(site, tmp_path):
    conf = site / "waves" / "conf"
    command = [sys.executable, "-m", "ermlab", "--config-dir", str(conf), "model=residual"]
    path = os.pathsep.join([str(site), str(ROOT / "src")])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    assert "waves.model.Residual" in done.stderr
