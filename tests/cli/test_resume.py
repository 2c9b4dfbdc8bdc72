"""`ermlab resume` in real processes: kill -9 and Ctrl-C at any moment, and what it refuses."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from ermlab import rundir

WORDS = ["loop.epochs=400", "loop.checkpoint_every=0.02", "device=cpu", "model.hidden_units=8"]


def start(folder, *words):
    command = [sys.executable, "-m", "ermlab", *words]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ermlab(folder, *words):
    process = start(folder, *words)
    told, wrong = process.communicate(timeout=300)
    return process.returncode, told, wrong


def contents(run_dir):
    """Read all that a run left behind, without its times and its log."""
    lines = (run_dir / rundir.HISTORY).read_text().splitlines()
    summary = json.loads((run_dir / rundir.SUMMARY).read_text())
    del summary["started_at"], summary["wall_s"]
    others = [p for p in run_dir.iterdir() if p.is_file() and p.suffix in (".safetensors", ".png")]
    rest = {path.name: path.read_bytes() for path in sorted(others)}
    return {"rows": [line.rpartition(",")[0] for line in lines], "summary": summary, **rest}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The directory of a run that was not disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    code, _, wrong = ermlab(folder, *WORDS, "hydra.run.dir=run")
    assert code == 0, wrong
    return folder / "run"


def wait_for(path, process):
    while not (path.is_file() and path.stat().st_size):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)


def test_a_run_killed_ten_times_ends_with_the_same_bits(whole, tmp_path):
    draws, run_dir = random.Random(0), tmp_path / "run"
    words = [*WORDS, "hydra.run.dir=run"]
    for _ in range(10):
        process = start(tmp_path, *words)
        before = (run_dir / rundir.CHECKPOINT).stat() if run_dir.is_dir() else None
        wait_for(run_dir / rundir.CHECKPOINT, process)
        while before and (run_dir / rundir.CHECKPOINT).stat().st_ino == before.st_ino:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        time.sleep(draws.uniform(0, 0.05))  # at any moment, while a checkpoint is written too
        process.kill()
        process.communicate()
        assert not (run_dir / rundir.SUMMARY).exists(), "it must be killed while it trains"
        words = ["resume", "run"]
    code, told, wrong = ermlab(tmp_path, *words)
    assert code == 0, wrong
    assert "completed" in told
    assert contents(run_dir) == contents(whole)
    assert not list(run_dir.glob("*.tmp"))


@pytest.mark.parametrize("moment", range(5))
def test_a_run_killed_at_any_moment_can_be_continued(moment, whole, tmp_path):
    process = start(tmp_path, *WORDS, "hydra.run.dir=run")
    wait_for(tmp_path / "run" / rundir.HYDRA_CONFIG, process)
    time.sleep(random.Random(moment).uniform(0, 3))
    process.kill()
    process.communicate()
    code, _, wrong = ermlab(tmp_path, "resume", "run")
    assert code == 0, wrong
    assert contents(tmp_path / "run") == contents(whole)


def interrupt(folder, *words):
    process = start(folder, *words)
    wait_for(folder / "run" / rundir.HISTORY, process)
    process.send_signal(signal.SIGINT)
    _, wrong = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in wrong
    return wrong


def test_ctrl_c_leaves_a_checkpoint_and_tells_how_to_go_on(whole, tmp_path):
    words = [*WORDS[:1], "loop.checkpoint_every=null", *WORDS[2:], "hydra.run.dir=run"]
    wrong = interrupt(tmp_path, *words)
    assert wrong.splitlines()[-1] == "python -m ermlab resume run"
    assert (tmp_path / "run" / rundir.CHECKPOINT).is_file()
    code, _, wrong = ermlab(tmp_path, "resume", "run")
    assert code == 0, wrong
    found, expected = contents(tmp_path / "run"), contents(whole)
    for each in (found, expected):
        del each["summary"]["loop.checkpoint_every"]
    assert found == expected


def test_ctrl_c_while_resuming_tells_how_to_go_on_too(tmp_path):
    words = ["loop.epochs=100000", "plot=false", "hydra.run.dir=run"]
    interrupt(tmp_path, *words)
    process = start(tmp_path, "resume", "run")
    length = (tmp_path / "run" / rundir.HISTORY).stat().st_size
    while (tmp_path / "run" / rundir.HISTORY).stat().st_size <= length:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, wrong = process.communicate(timeout=60)
    assert process.returncode == 130
    assert wrong.splitlines()[-1] == "python -m ermlab resume run"
    assert (tmp_path / "run" / rundir.CHECKPOINT).is_file()


SLOW = """
import time

import torch


class Slow(torch.nn.Linear):
    def forward(self, x):
        if self.training:
            print("step", flush=True)
            time.sleep(600)
        return super().forward(x)
"""


def test_a_second_ctrl_c_ends_in_the_middle_of_a_step(tmp_path, monkeypatch):
    (tmp_path / "my_pkg.py").write_text(SLOW)
    model = tmp_path / "conf" / "model"
    model.mkdir(parents=True)
    sizes = "in_features: ${data.n_inputs}\nout_features: ${data.n_outputs}\n"
    (model / "mine.yaml").write_text(f"_target_: my_pkg.Slow\n{sizes}")
    monkeypatch.setenv("ERMLAB_ALLOW", "my_pkg.*")
    process = start(tmp_path, "--config-dir", "conf", "model=mine", "hydra.run.dir=run")
    assert process.stdout.readline() == "step\n"
    process.send_signal(signal.SIGINT)
    while "once more: at once" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, wrong = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in wrong
    assert wrong.splitlines()[-1] == "python -m ermlab resume run"


def test_a_finished_run_is_told_and_stays_as_it_is(whole):
    before = contents(whole)
    code, told, wrong = ermlab(whole.parent, "resume", "run")
    assert code == 0
    assert "there is nothing to resume: the run is completed" in wrong
    assert "validation loss" in told
    assert contents(whole) == before


def refused(folder, *words):
    code, _, wrong = ermlab(folder, "resume", *words)
    assert code == 1
    assert "Traceback" not in wrong
    assert "  where: " in wrong
    assert "  fix:   " in wrong
    return wrong


def test_a_changed_configuration_is_refused_unless_forced(tmp_path):
    interrupt(tmp_path, "loop.epochs=100000", "plot=false", "hydra.run.dir=run")
    path = tmp_path / "run" / rundir.CONFIG
    path.write_text(path.read_text().replace("epochs: 100000", "epochs: 3000"))
    assert "the configuration has changed" in refused(tmp_path, "run")
    assert (tmp_path / "run" / rundir.CHECKPOINT).is_file()
    code, told, wrong = ermlab(tmp_path, "resume", "run", "--force")
    assert code == 0, wrong
    assert "completed" in told


def test_a_damaged_checkpoint_is_refused_and_all_files_stay(tmp_path):
    interrupt(tmp_path, "loop.epochs=100000", "plot=false", "hydra.run.dir=run")
    path = tmp_path / "run" / rundir.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1])
    before = {p: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()}
    assert "cannot be used" in refused(tmp_path, "run")
    assert {p: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()} == before


def test_a_target_that_is_not_allowed_is_refused(tmp_path):
    interrupt(tmp_path, "loop.epochs=100000", "plot=false", "hydra.run.dir=run")
    path = tmp_path / "run" / rundir.CONFIG
    path.write_text(path.read_text().replace("ermlab.model.two_layer.TwoLayer", "os.system"))
    assert "os.system" in refused(tmp_path, "run", "--force")


def test_a_sweep_without_a_study_is_refused_in_words(tmp_path):
    words = ["-m", "optimizer.lr=0.1,0.01", "loop.epochs=1", "plot=false", "hydra.sweep.dir=all"]
    code, _, wrong = ermlab(tmp_path, *words)
    assert code == 0, wrong
    assert "there is no sweep that can be gone on with" in refused(tmp_path, "all")
    (tmp_path / "all" / "1" / rundir.SUMMARY).unlink()
    code, _, wrong = ermlab(tmp_path, "resume", "all/1")
    assert code == 0, wrong


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_a_folder_without_a_run_is_refused(path, tmp_path):
    assert "there is no run directory here" in refused(tmp_path, path)
