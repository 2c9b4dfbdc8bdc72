"""Kill -9, a full disk, Ctrl-C, errors in the user's code: nothing torn, one clear message."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from ermlab import rundir
from ermlab.results.load import load_history, load_runs

LONG = ["loop.epochs=100000", "plot=false", "hydra.run.dir=run"]


def start(tmp_path, *words):
    command = [sys.executable, "-m", "ermlab", *words]
    return subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_for_history(tmp_path, process):
    path = tmp_path / "run" / rundir.HISTORY
    while not (path.is_file() and path.stat().st_size):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.mark.parametrize("moment", range(4))
def test_a_run_killed_while_it_trains_is_unfinished_and_readable(moment, tmp_path):
    process = start(tmp_path, *LONG)
    wait_for_history(tmp_path, process)
    time.sleep(random.Random(moment).uniform(0, 0.3))
    process.kill()
    process.communicate()
    assert not (tmp_path / "run" / rundir.SUMMARY).exists()
    assert list(load_runs(tmp_path)["status"]) == ["unfinished"]
    assert load_history(tmp_path)["valid_loss"].notna().all()


@pytest.mark.parametrize("moment", range(4))
def test_a_run_killed_around_its_end_has_a_whole_summary_or_none(moment, tmp_path):
    process = start(tmp_path, "loop.epochs=3", "plot=false", "hydra.run.dir=run")
    wait_for_history(tmp_path, process)
    time.sleep(random.Random(moment).uniform(0, 0.04))
    process.kill()
    process.communicate()
    summary = tmp_path / "run" / rundir.SUMMARY
    if summary.exists():
        assert json.loads(summary.read_text())["status"] == "completed"
    assert len(load_runs(tmp_path)) == 1


def test_ctrl_c_ends_with_code_130_and_without_traceback(tmp_path):
    process = start(tmp_path, *LONG)
    wait_for_history(tmp_path, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert list(load_runs(tmp_path)["status"]) == ["unfinished"]


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of its own with 64 kB, which a run overfills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_gives_one_clear_error(full_disk, ermlab_cli, tmp_path):
    done = ermlab_cli("loop.epochs=2", "plot=false", f"hydra.run.dir={full_disk}/run", cwd=tmp_path)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "fix:   free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(load_runs(full_disk)["status"]) == ["failed"]  # a row still found room


def test_a_folder_that_cannot_be_made_gives_one_clear_error(ermlab_cli, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = ermlab_cli("loop.epochs=1", "hydra.run.dir=file/run", cwd=tmp_path)
    assert done.returncode == 1
    assert "RunDirError: cannot write: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


BROKEN = """
import torch


class Breaks(torch.nn.Module):
    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.map = torch.nn.Linear(n_inputs, n_outputs)

    def forward(self, x):
        if self.training:
            raise KeyError("a mistake of the user's own")
        return self.map(x)
"""


def test_an_error_in_the_users_code_is_a_row_and_keeps_its_traceback(ermlab_cli, tmp_path):
    (tmp_path / "my_pkg.py").write_text(BROKEN)
    model = tmp_path / "conf" / "model"
    model.mkdir(parents=True)
    sizes = "n_inputs: ${data.n_inputs}\nn_outputs: ${data.n_outputs}\n"
    (model / "mine.yaml").write_text(f"_target_: my_pkg.Breaks\n{sizes}")
    done = ermlab_cli(
        "--config-dir", "conf", "model=mine", "hydra.run.dir=run", "plot=false",
        cwd=tmp_path, env={"ERMLAB_ALLOW": "my_pkg.*", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "a mistake of the user's own" in done.stderr
    row = load_runs(tmp_path).iloc[0]
    assert row["status"] == "failed"
    assert row["error"].startswith("KeyError: ")
    assert "my_pkg.py" in (tmp_path / "run" / rundir.TRACEBACK).read_text()


def test_a_run_that_diverges_is_a_row_and_no_error(ermlab_cli, tmp_path):
    words = ["optimizer=sgd", "optimizer.lr=1e9", "loop.epochs=3", "hydra.run.dir=run"]
    done = ermlab_cli(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    row = load_runs(tmp_path).iloc[0]
    assert row["status"] == "diverged"
    assert row[["test_loss", "test_loss_last"]].isna().all()
    assert (tmp_path / "run" / rundir.CURVE).stat().st_size > 0
