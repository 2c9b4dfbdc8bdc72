"""Whole sweeps that several processes share, through the command line; one is killed."""

import os
import re
import signal
import subprocess
import sys
import time

import optuna
import pandas as pd
import pytest
import sqlalchemy as sa

from ermlab.results.load import load_runs

SHORT = ["loop.epochs=4", "plot=false", "device=cpu", "dtype=float64", "data.n_train=200"]
SEARCH = ["optimizer.lr=tag(log,interval(0.001,0.1))", "model.hidden_units=range(4,30)"]
PASSWORD = re.compile(r"p@ss|p%40ss|w:rd|w%3Ard")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    return request.getfixturevalue("postgresql").create_database()


def command(folder, url, *words, n_trials=12, n_jobs=2, launcher="stacked"):
    options = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={folder}", "hydra/sweeper=study"]
    options += [f"hydra.sweeper.storage='{url}'", "hydra.sweeper.sampler.seed=1"]
    options += [f"hydra.sweeper.n_trials={n_trials}", f"hydra.sweeper.n_jobs={n_jobs}"]
    options += ["hydra.sweeper.heartbeat_interval=1"]
    return [sys.executable, "-m", "ermlab", "-m", *options, *SEARCH, *SHORT, *words]


def start(cwd, *args, **options):
    return subprocess.Popen(
        command(*args, **options), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def trials_of(url, name):
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": sa.pool.NullPool})
    return optuna.load_study(study_name=name, storage=storage).trials


def wait_for_runs(folder, n_runs):
    end = time.monotonic() + 120
    while len(list(folder.glob("*/summary.json"))) < n_runs:
        assert time.monotonic() < end
        time.sleep(0.005)


def written(folder):
    """What all files of a folder hold, the databases aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db"]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def test_three_processes_share_a_sweep_and_one_is_killed(url, tmp_path):
    words = ["out", url, "hydra.sweeper.study_name=ours", "loop.epochs=30"]
    processes = [start(tmp_path, *words, launcher="basic") for _ in range(3)]
    wait_for_runs(tmp_path / "out", 3)
    processes[0].send_signal(signal.SIGKILL)
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [-signal.SIGKILL, 0, 0], told
    table = load_runs(tmp_path / "out")
    assert list(table["trial"]) == list(range(12))
    assert set(table["status"]) <= {"completed", "stopped_early"}
    assert table["test_loss"].notna().sum() == 1
    assert table.loc[table["valid_loss"].idxmin(), "test_reads"] == 1
    trials = trials_of(url, "ours")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    assert [trial.value for trial in trials] == list(table["valid_loss"])
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 12
    text = (tmp_path / "out" / "results.csv").read_text()
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == 12
    assert len(pd.read_parquet(tmp_path / "out" / "results.parquet")) == 12
    assert "test_loss" in text
    assert sum("test loss of the winner" in out for out, _ in told) == 1
    assert not PASSWORD.search(written(tmp_path) + "".join(out + err for out, err in told))


def test_processes_may_have_folders_of_their_own(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    words = [url, "hydra.sweeper.study_name=ours", "hydra.sweeper.replicates=2"]
    processes = [start(tmp_path, f"out{i}", *words, n_trials=8) for i in range(2)]
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    # One process may have made all the trials before the other had begun.
    folders = [
        tmp_path / f"out{i}" for i in range(2) if any(tmp_path.glob(f"out{i}/*/summary.json"))
    ]
    tables = [load_runs(folder) for folder in folders]
    table = pd.concat(tables).sort_values(["trial", "seed"])
    assert list(table["trial"]) == [n for n in range(8) for _ in range(2)]
    assert table["test_loss"].notna().sum() == 2  # both runs of the winner
    assert sum("test loss of the winner" in out for out, _ in told) == 1


def resume(folder, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ermlab", "resume", "--trust", str(folder)], cwd=cwd, text=True,
        capture_output=True, timeout=300, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_a_killed_sweep_goes_on_with_resume_which_needs_the_password(postgresql, tmp_path):
    url = postgresql.create_database()
    killed = start(tmp_path, "out", url, "loop.epochs=30", launcher="basic", n_trials=6)
    wait_for_runs(tmp_path / "out", 2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    refused = resume(tmp_path / "out", tmp_path)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "ERMLAB_STORAGE_PASSWORD" in refused.stderr
    done = resume(tmp_path / "out", tmp_path, ERMLAB_STORAGE_PASSWORD="p@ss/w:rd%")
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "out")
    assert list(table["trial"]) == list(range(6)), done.stdout
    assert table["test_loss"].notna().sum() == 1
    assert not PASSWORD.search(written(tmp_path) + done.stdout + done.stderr)


def test_a_sweep_goes_on_when_its_server_is_restarted(postgresql, tmp_path):
    url = postgresql.create_database()
    log = tmp_path / "told.log"
    words = command("out", url, "hydra.sweeper.study_name=ours", "loop.epochs=30", launcher="basic")
    with log.open("w") as file:
        process = subprocess.Popen(words, cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT)
    wait_for_runs(tmp_path / "out", 3)
    postgresql.stop()
    try:
        end = time.monotonic() + 60
        while "trying again for" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
    finally:
        postgresql.start()
    assert process.wait(timeout=300) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    again = resume(tmp_path / "out", tmp_path, ERMLAB_STORAGE_PASSWORD="p@ss/w:rd%")
    assert again.returncode == 0, again.stderr  # there was nothing left
    table = load_runs(tmp_path / "out")
    assert list(table["trial"]) == list(range(12))
    assert set(table["status"]) <= {"completed", "stopped_early"}
    assert table["test_loss"].notna().sum() == 1
    trials = trials_of(url, "ours")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    assert [trial.value for trial in trials] == list(table["valid_loss"])


def test_a_sweep_with_the_database_beside_it_can_be_resumed_and_extended(tmp_path):
    url = "sqlite:///study.db"  # relative to the folder in which the sweep was started
    done = subprocess.run(command("out", url, n_trials=3), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = resume(tmp_path / "out", elsewhere)
    assert again.returncode == 0, again.stderr
    assert len(load_runs(tmp_path / "out")) == 3
    more = subprocess.run(command("out", url, n_trials=5), cwd=tmp_path, capture_output=True)
    assert more.returncode == 0, more.stderr
    assert list(load_runs(tmp_path / "out")["trial"]) == list(range(5))


def test_a_folder_that_names_a_database_is_not_trusted_by_itself(tmp_path):
    done = subprocess.run(
        command("out", "sqlite:///study.db", n_trials=2), cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "study.db").unlink()
    refused = subprocess.run(
        [sys.executable, "-m", "ermlab", "resume", "out"], cwd=tmp_path, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "add --trust" in refused.stderr
    assert not (tmp_path / "study.db").exists()


def test_a_password_in_a_configuration_file_is_hidden_too(postgresql, tmp_path):
    url = postgresql.create_database()
    conf = tmp_path / "conf" / "sweeps"
    conf.mkdir(parents=True)
    (conf / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: study\nhydra:\n"
        f"  sweeper:\n    storage: '{url}'\n    n_trials: 2\n"
    )
    words = ["--config-dir", "conf", "sweeps=mine", "hydra.sweep.dir=out", *SEARCH, *SHORT]
    done = subprocess.run(
        [sys.executable, "-m", "ermlab", "-m", *words], cwd=tmp_path, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(load_runs(tmp_path / "out")) == 2
    assert not PASSWORD.search(written(tmp_path / "out") + done.stdout + done.stderr)


def test_a_wrong_password_is_one_message_before_any_work(postgresql, tmp_path):
    done = subprocess.run(
        command("out", postgresql.url(password="wrong@pass")), cwd=tmp_path, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the database does not let this user in" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"where: .*\n +fix: ", done.stderr)
    said = done.stdout + done.stderr + written(tmp_path)
    assert not re.search(r"wrong(@|%40)pass", said)  # the folder has this test's name in its own
