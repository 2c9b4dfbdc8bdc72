"""SIGTERM, as a cluster sends it, Ctrl-C, and two processes in one folder."""

import os
import re
import signal

import pytest

from ermlab import rundir
from ermlab.results.load import load_runs

ENDLESS = ["loop.epochs=1000000", "loop.checkpoint_every=null"]
SWEEP = ["-m", "hydra/sweeper=study", "hydra/launcher=stacked", "hydra.sweep.dir=sweep",
         "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2", "hydra.sweeper.sampler.seed=1",
         "optimizer.lr=tag(log,interval(0.001,0.1))"]  # fmt: skip


LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "stacked": ["hydra/launcher=stacked"],
    "loky": ["hydra/launcher=stacked", "hydra.launcher.n_jobs=2"],
}


@pytest.fixture
def endless(fleet, tiny, tmp_path):
    """A run that trains."""
    child = fleet.start(tmp_path, *tiny, *ENDLESS, "hydra.run.dir=run")
    assert child.wait_for(lambda: rundir.count_rows(tmp_path / "run") > 3), child.told()
    yield child
    child.kill()


@pytest.fixture
def endless_sweep(fleet, tiny, tmp_path):
    """A sweep that trains its first trials."""
    child = fleet.start(tmp_path, *SWEEP, *tiny, *ENDLESS)
    assert child.wait_for(lambda: rundir.count_rows(tmp_path / "sweep" / "0") > 3), child.told()
    yield child
    child.kill()


def test_sigterm_leaves_a_checkpoint_and_tells_how_to_go_on(endless, tmp_path):
    endless.signal(signal.SIGTERM)
    assert endless.wait() == 143, endless.told()
    assert "SIGTERM: ends after this step" in endless.told()
    assert endless.told().splitlines()[-1] == "ermlab resume run"
    assert (tmp_path / "run" / rundir.CHECKPOINT).is_file()
    assert list(load_runs(tmp_path)["status"]) == ["unfinished"]


def test_sigterm_while_resuming_leaves_a_checkpoint_too(endless, fleet, tmp_path):
    endless.signal(signal.SIGTERM)
    assert endless.wait() == 143
    n_rows = rundir.count_rows(tmp_path / "run")
    child = fleet.start(tmp_path, "resume", "run")
    assert child.wait_for(lambda: rundir.count_rows(tmp_path / "run") > n_rows), child.told()
    child.signal(signal.SIGTERM)
    assert child.wait() == 143
    assert child.told().splitlines()[-1] == "ermlab resume run"
    assert (tmp_path / "run" / rundir.CHECKPOINT).is_file()


def test_sigterm_ends_a_sweep_with_its_table_and_the_command_to_go_on(endless_sweep, tmp_path):
    endless_sweep.signal(signal.SIGTERM)
    assert endless_sweep.wait() == 143, endless_sweep.told()
    assert "Traceback" not in endless_sweep.told()
    assert ends_with_the_command(endless_sweep.told(), "ermlab resume sweep")
    assert (tmp_path / "sweep" / rundir.RESULTS_CSV).is_file()


def ends_with_the_command(told, command):
    # A forked command ends at once, and joblib's own process then tells of the folders left behind.
    told = re.sub(r"\S*resource_tracker.py:.*(\n.*)?warnings.warn\(\n?", "", told)
    return any(line.endswith(f"goes on with: {command}") for line in told.splitlines()[-3:])


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ctrl_c_ends_a_sweep_with_the_command_to_go_on(launcher, fleet, tiny, tmp_path):
    child = fleet.start(tmp_path, *SWEEP, *LAUNCHERS[launcher], *tiny, *ENDLESS)
    try:
        assert child.wait_for(lambda: rundir.count_rows(tmp_path / "sweep" / "0") > 3)
        os.killpg(child.pid, signal.SIGINT)  # as a terminal sends it, to all its processes
        assert child.wait() == 130, child.told()
    finally:
        child.kill()
    assert "Traceback" not in child.told()
    assert ends_with_the_command(child.told(), "ermlab resume sweep")
    assert (tmp_path / "sweep" / rundir.RESULTS_CSV).is_file()


def test_sigterm_while_a_sweep_is_resumed_tells_the_command_too(endless_sweep, fleet, tmp_path):
    endless_sweep.kill()
    n_rows = rundir.count_rows(tmp_path / "sweep" / "0")
    child = fleet.start(tmp_path, "resume", "sweep")
    try:
        assert child.wait_for(lambda: 3 < rundir.count_rows(tmp_path / "sweep" / "0") != n_rows)
        child.signal(signal.SIGTERM)
        assert child.wait() == 143, child.told()
    finally:
        child.kill()
    assert ends_with_the_command(child.told(), f"ermlab resume {tmp_path / 'sweep'}")


def refused(fleet, folder, *words):
    code, told = fleet.run(folder, *words)
    assert code == 1, told
    assert "another process is writing to this folder" in told
    assert "Traceback" not in told


def test_a_run_that_is_being_written_is_not_resumed(endless, fleet, tiny, tmp_path):
    refused(fleet, tmp_path, "resume", "run")
    refused(fleet, tmp_path, "resume", "run", "--force")
    refused(fleet, tmp_path, *tiny, "hydra.run.dir=run")
    assert endless.poll() is None
    assert not (tmp_path / "run" / rundir.SUMMARY).exists()


def test_a_sweep_that_is_being_written_is_not_resumed(endless_sweep, fleet, tmp_path):
    before = (tmp_path / "sweep" / rundir.STUDY).read_bytes()
    refused(fleet, tmp_path, "resume", "sweep")
    refused(fleet, tmp_path, *SWEEP, "hydra.sweeper.n_trials=9")
    assert endless_sweep.poll() is None
    assert (tmp_path / "sweep" / rundir.STUDY).read_bytes() == before


def test_a_lock_ends_with_its_process(endless, fleet, tmp_path):
    endless.kill()
    (tmp_path / "run" / rundir.HISTORY).unlink()
    child = fleet.start(tmp_path, "resume", "run")
    assert child.wait_for(lambda: rundir.count_rows(tmp_path / "run") > 3), child.told()
    child.kill()
