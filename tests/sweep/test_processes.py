"""Stacks in other processes: the numbers of one process, and what is left when one is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ermlab.errors import ConfigError
from ermlab.results.load import load_runs
from ermlab.sweep.processes import Processes

LOSSES = ["train_loss", "valid_loss", "test_loss", "test_loss_last"]
CONFIGURATION = ["model.hidden_units", "optimizer.lr", "loop.batch_size", "seed"]
SHORT = ["loop.epochs=2", "plot=false", "device=cpu", "dtype=float64"]
MODEL = """
_target_: stack_user.Net
n_inputs: ${data.n_inputs}
n_outputs: ${data.n_outputs}
width: 4
kills: false
"""


@pytest.fixture
def user_dir(tmp_path):
    """A folder with a module and a model of the user's."""
    shutil.copy(Path(__file__).with_name("stack_user.py"), tmp_path)
    model = tmp_path / "conf" / "model" / "mine.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(MODEL)
    return tmp_path


def command(name, *words, backend="loky"):
    options = ["hydra/launcher=stacked", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={name}"]
    options.append(f"hydra.launcher.backend={backend}")
    return [sys.executable, "-m", "ermlab", "-m", *options, *SHORT, *words]


def sweep(folder, *words, **options):
    done = subprocess.run(
        command(*words, **options), cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "ERMLAB_ALLOW": "stack_user.*"}, check=False,
    )  # fmt: skip
    return done, load_runs(folder / words[0])


def test_several_processes_give_the_numbers_of_one(tmp_path):
    words = ["model.hidden_units=5,40,90", "optimizer.lr=0.001,0.1", "loop.batch_size=30,100"]
    several, table = sweep(tmp_path, "several", *words)
    assert several.returncode == 0, several.stderr
    one, alone = sweep(tmp_path, "one", *words, "hydra.launcher.n_jobs=1")
    assert one.returncode == 0, one.stderr
    assert table["stack_size"].max() > 1
    pd.testing.assert_frame_equal(table[CONFIGURATION], alone[CONFIGURATION])
    # The stacks are the same ones, so their numbers are, to the last bit.
    pd.testing.assert_frame_equal(table[LOSSES], alone[LOSSES], check_exact=True)
    job = tmp_path / "several" / "0"
    assert sorted(p.name for p in (job / ".hydra").iterdir()) == [
        "config.yaml",
        "hydra.yaml",
        "overrides.yaml",
    ]
    assert "completed: valid_loss" in (job / "ermlab.log").read_text()
    assert several.stdout.count("completed: valid_loss") == len(table)  # also in the sweep's log


def test_what_ends_its_process_is_unfinished_and_the_others_are_trained(user_dir):
    done, table = sweep(
        user_dir, "out", "--config-dir=conf", "model=mine", "model.kills=false,true", "seed=0,1"
    )
    assert done.returncode == 1
    assert "TrialError: its process was killed while it trained" in done.stderr
    assert "Traceback" not in done.stderr
    kills = table["model.kills"].astype(str).str.lower() == "true"
    assert set(table.loc[kills, "status"]) == {"unfinished"}
    assert set(table.loc[~kills, "status"]) == {"completed"}
    assert list(table["run_dir"].map(lambda path: Path(path).name)) == ["0", "1", "2", "3"]


def workers_of(pid):
    """The processes below one that were started to train."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            status = (entry / "stat").read_text() if b"loky" in words else ""
        except OSError:
            continue
        if status and int(status.rpartition(")")[2].split()[1]) == pid and b"popen_loky" in words:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc, of Linux")
def test_a_killed_worker_loses_no_trial_for_good(tmp_path):
    words = ["model.hidden_units=60,61,62,120,121,122,200,201", "loop.epochs=60"]
    started = subprocess.Popen(
        command("killed", *words), cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "killed").glob("*/history.csv")):
            assert started.poll() is None, started.communicate()[0]
            assert time.monotonic() < deadline, "no worker began to train"
            time.sleep(0.02)
        killed = workers_of(started.pid)
        assert killed
        os.kill(killed[0], signal.SIGKILL)
        told = started.communicate(timeout=300)[0]
    finally:
        started.kill()
    assert started.returncode == 0, told
    assert "a process ended before its jobs did" in told
    table = load_runs(tmp_path / "killed")
    assert list(table["status"]) == ["completed"] * 8
    _, undisturbed = sweep(tmp_path, "undisturbed", *words)
    pd.testing.assert_frame_equal(table[LOSSES], undisturbed[LOSSES], check_exact=True)


def test_an_error_of_the_users_code_crosses_the_processes(user_dir):
    model = user_dir / "conf" / "model" / "mine.yaml"
    model.write_text(MODEL.replace("stack_user.Net", "stack_user.broken"))
    done, table = sweep(user_dir, "out", "--config-dir=conf", "model=mine", "seed=0,1")
    assert done.returncode == 1
    assert "TrialError: OSError: no weights for 4" in done.stderr
    assert set(table["status"]) == {"failed"}
    assert "no weights for 4" in (user_dir / "out" / "1" / "traceback.txt").read_text()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_folder_that_cannot_be_made_ends_the_sweep_with_one_message(n_jobs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1").write_text("a file in the place of a folder")
    done, _ = sweep(tmp_path, "out", "seed=0,1", f"hydra.launcher.n_jobs={n_jobs}")
    assert done.returncode == 1
    assert "RunDirError: cannot write: " in done.stderr
    assert str(tmp_path / "out" / "1") in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_ray_gives_the_numbers_of_one_process(user_dir):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
    words = ["--config-dir=conf", "model=mine", "model.width=3,4", "seed=0,1"]
    done, table = sweep(user_dir, "ray", *words, backend="ray")
    assert done.returncode == 0, done.stderr
    _, alone = sweep(user_dir, "one", *words, "hydra.launcher.n_jobs=1")
    pd.testing.assert_frame_equal(table[LOSSES], alone[LOSSES], check_exact=True)
    assert set(table["stack_size"]) == {2}


def test_a_backend_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="nonsense"):
        Processes(n_jobs=2, backend="nonsense").count()
    with pytest.raises(ConfigError, match="n_jobs"):
        Processes(n_jobs=0, backend="loky").count()


def test_minus_one_is_every_core():
    assert Processes(n_jobs=-1, backend="loky").count() == len(os.sched_getaffinity(0))
