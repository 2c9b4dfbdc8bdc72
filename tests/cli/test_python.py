"""`ermlab.run` from Python: the row of the run, equal to its files and to the command line."""

import pytest

import ermlab
from ermlab.errors import ConfigError

WORDS = ["loop.epochs=2", "plot=false", "device=cpu"]
LOSSES = ["train_loss", "valid_loss", "test_loss", "test_loss_last"]


def test_a_run_returns_the_row_that_its_directory_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = ermlab.run([*WORDS, "hydra.run.dir=here"])
    stored = ermlab.load_runs("here")
    assert len(row) == 1
    assert row[LOSSES].equals(stored[LOSSES])
    assert len(ermlab.load_history("here")) == 2


def test_a_run_from_python_has_the_numbers_of_the_command_line(ermlab_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = ermlab.run([*WORDS, "hydra.run.dir=here"])
    done = ermlab_cli(*WORDS, "hydra.run.dir=there", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert row[LOSSES].equals(ermlab.load_runs("there")[LOSSES])


def test_a_mistake_from_python_is_raised_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="must be > 0"):
        ermlab.run([*WORDS, "optimizer.lr=-1"])


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        _ = ermlab.sweeep
