"""`ermlab.sweep` and `ermlab.load_model` from Python, and what they leave of a process."""

import logging
import os
import sys

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from safetensors.torch import load_file

import ermlab
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ErmlabError, RunDirError

WORDS = ["loop.epochs=2", "plot=false", "device=cpu", "data.n_train=100", "hydra.sweep.dir=here"]
LOSSES = ["optimizer.lr", "train_loss", "valid_loss"]
STACKED = ["hydra/launcher=stacked"]
STUDY = ["hydra/sweeper=study", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.seed=1",
         "optimizer.lr=interval(0.001,0.1)", *STACKED]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_sweep_without_stacks_is_one(folder, capfd):
    words = [word for word in STUDY if word not in STACKED]
    frame = ermlab.sweep([*words, *WORDS])
    assert frame["status"].tolist() == ["completed"] * 3
    assert frame["test_loss"].notna().sum() == 1  # the winner's
    assert "best step" not in capfd.readouterr().out  # which a single run prints


@pytest.mark.parametrize("launcher", [[], STACKED], ids=["basic", "stacked"])
def test_a_sweep_returns_a_row_for_each_run(folder, launcher):
    frame = ermlab.sweep(["optimizer.lr=0.001,0.1", *launcher, *WORDS])
    assert frame["optimizer.lr"].tolist() == [0.001, 0.1]
    assert frame["run_dir"].tolist() == [str(folder / "here" / name) for name in "01"]
    pd.testing.assert_frame_equal(frame, ermlab.load_runs(folder / "here"))
    assert (folder / "here" / "results.csv").is_file()


def test_a_study_from_python_is_that_of_the_command_line(folder, ermlab_cli):
    frame = ermlab.sweep([*STUDY, *WORDS])
    done = ermlab_cli("-m", *STUDY, *WORDS[:-1], "hydra.sweep.dir=there", cwd=folder)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(frame[LOSSES], ermlab.load_runs("there")[LOSSES])


def test_a_sweep_without_a_folder_of_its_own_is_found_by_its_time(folder):
    frame = ermlab.sweep(["optimizer.lr=0.01,0.1", *STACKED, *WORDS[:-1]])
    assert len(frame) == 2
    assert frame["run_dir"].str.contains("multirun/").all()


@pytest.mark.parametrize("call", [ermlab.run, ermlab.sweep], ids=["run", "sweep"])
def test_the_process_is_left_as_it_was(folder, call):
    register_schemas()
    handler = logging.FileHandler("mine.log")
    root = logging.getLogger()
    before_handlers, before_level = root.handlers[:], root.level
    root.addHandler(handler)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    environment, words, random_state = dict(os.environ), sys.argv[:], torch.get_rng_state()
    try:
        with initialize_config_dir(str(find_conf_dir())):
            mine = GlobalHydra.instance().hydra
            call(["threads=1", "loop.epochs=1", "plot=false", "device=cpu"])
            assert GlobalHydra.instance().hydra is mine
            assert compose("config", ["seed=3"]).seed == 3
        assert torch.get_num_threads() == 2
        assert root.handlers == [*before_handlers, handler]
        assert root.level == before_level
        assert (os.environ, sys.argv, os.getcwd()) == (environment, words, str(folder))  # noqa: PTH109
        assert torch.equal(torch.get_rng_state(), random_state)
        assert HydraConfig.instance().cfg is None
        logging.getLogger("mine").warning("still heard")
        assert "still heard" in (folder / "mine.log").read_text()
    finally:
        torch.set_num_threads(threads)
        root.removeHandler(handler)
        handler.close()


def test_it_is_left_so_after_a_mistake_too(folder):
    threads, handlers = torch.get_num_threads(), logging.getLogger().handlers[:]
    with pytest.raises(ErmlabError, match="must be > 0"):
        ermlab.sweep(["optimizer.lr=-1,0.1", *WORDS])
    assert (torch.get_num_threads(), logging.getLogger().handlers) == (threads, handlers)
    assert not GlobalHydra.instance().is_initialized()


def test_the_folder_of_modules_is_still_one():
    from ermlab import sweep
    from ermlab.sweep import study

    assert sys.modules["ermlab.sweep.study"] is study
    assert sweep is ermlab.sweep is sys.modules["ermlab.sweep"]


def test_a_loaded_model_has_the_weights_and_does_not_train(folder):
    words = ["optimizer.lr=0.01", "loop.epochs=6", "plot=false", "device=cpu"]
    (run_dir,) = ermlab.run(words)["run_dir"]
    model = ermlab.load_model(run_dir)
    stored = load_file(f"{run_dir}/best.safetensors")
    assert not model.training
    assert all(torch.equal(value, stored[key]) for key, value in model.state_dict().items())
    last = ermlab.load_model(run_dir, model="last").state_dict()
    assert any(not torch.equal(value, stored[key]) for key, value in last.items())


def test_each_model_of_a_stack_has_its_own_width(folder):
    frame = ermlab.sweep(["model.hidden_units=3,5", *STACKED, *WORDS])
    widths = [ermlab.load_model(run_dir).hidden.weight.shape[1] for run_dir in frame["run_dir"]]
    assert widths == [3, 5]


def test_a_folder_without_a_run_has_no_model(folder):
    with pytest.raises(RunDirError, match="no run directory here"):
        ermlab.load_model(folder)
