"""`ermlab dashboard`: the real server on a free port of this machine, asked as a browser asks."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import optuna
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from ermlab import rundir
from ermlab.cli.dashboard import dashboard_command
from ermlab.errors import ConfigError, RunDirError
from ermlab.sweep.found_study import find_study
from ermlab.sweep.journal import Asked, Journal, Told
from ermlab.sweep.question import Question, describe_space

SPACE = {"optimizer.lr": FloatDistribution(0.001, 0.1)}


def begin_study(folder):
    """Begin the journal of a sweep; give what writes to it."""
    question = Question(
        space=describe_space(SPACE), fixed=[], directions=["minimize"], replicates=1
    )
    journal = Journal(folder / rundir.STUDY)
    journal.begin(question, {})
    return journal


@contextmanager
def dashboard(path):
    """Serve a study in a process of its own; give the process and its address."""
    command = [sys.executable, "-m", "ermlab", "dashboard", str(path), "--port", "0"]
    # Without a buffer: `select` does not see the lines that wait in one.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as done:
        try:
            address = None
            while address is None:
                assert select.select([done.stdout], [], [], 120)[0], "no address is printed"
                line = done.stdout.readline().decode()
                assert line, done.stderr.read().decode()
                address = re.search(r"http://127\.0\.0\.1:\d+", line)
            yield done, address[0]
        finally:
            done.kill()


def get(address, path):
    with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:
        return json.load(answer)


def wait_for(ask, wanted):
    """Ask until the answer is the wanted one: the dashboard keeps what it has for two seconds."""
    for _ in range(100):
        if (seen := ask()) == wanted:
            break
        time.sleep(0.1)
    return seen


def optuna_study(storage):
    study = optuna.create_study(storage=storage, study_name="mine")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return study


def test_it_shows_the_trials_grows_with_them_and_ends_with_ctrl_c(tmp_path):
    journal = begin_study(tmp_path)
    journal.asked(Asked(trial=0, params={"optimizer.lr": 0.01}))
    with dashboard(tmp_path) as (process, address):
        (summary,) = get(address, "/api/studies")["study_summaries"]
        assert summary["study_name"] == tmp_path.name

        def states():
            return [t["state"] for t in get(address, "/api/studies/0")["trials"]]

        assert states() == ["Running"]
        journal.told(Told(trial=0, state="COMPLETE", values=[0.5]))
        journal.asked(Asked(trial=1, params={"optimizer.lr": 0.02}))
        assert wait_for(states, ["Complete", "Running"]) == ["Complete", "Running"]
        with urllib.request.urlopen(f"{address}/dashboard", timeout=60) as page:
            assert "Optuna Dashboard" in page.read().decode()
        deletion = urllib.request.Request(f"{address}/api/studies/0", method="DELETE")
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(deletion, timeout=60)
        os.kill(process.pid, signal.SIGINT)
        told, complaint = (each.decode() for each in process.communicate(timeout=60))
        assert (process.returncode, complaint) == (0, "")
        assert "the dashboard has ended" in told
    journal.close()


@pytest.mark.parametrize("kind", ["url in multirun.yaml", "database", "journal", "folder"])
def test_other_storages_of_optuna_are_opened(tmp_path, kind):
    if kind == "journal":
        path = tmp_path / "journal.log"
        optuna_study(JournalStorage(JournalFileBackend(str(path))))
    else:
        path = tmp_path / "study.db"
        optuna_study(f"sqlite:///{path}")
    if kind == "url in multirun.yaml":
        (tmp_path / "sweep").mkdir()
        hydra = {"sweeper": {"storage": "sqlite:///study.db"}, "runtime": {"cwd": str(tmp_path)}}
        text = yaml.safe_dump({"hydra": hydra})
        (tmp_path / "sweep" / rundir.MULTIRUN).write_text(text)
        path = tmp_path / "sweep"
    elif kind == "folder":
        path = tmp_path
    found = find_study(path)
    (study,) = found.storage.get_all_studies()
    assert study.study_name == "mine"
    assert len(found.storage.get_all_trials(study._study_id)) == 3
    if isinstance(found.storage, RDBStorage):
        found.storage.engine.dispose()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (None, "", "there is no such folder or file"),
        ("notes.txt", "hello", "the file is no study"),
        ("multirun.yaml", "hydra: {sweeper: {storage: 'sqlite:///gone.db'}, runtime: {cwd: /}}",
         "the database of the sweep is not there"),
        ("multirun.yaml", "hydra: [", "cannot read where the study is"),
        ("multirun.yaml", "hydra: {sweeper: {storage: null}, runtime: {cwd: /}}",
         "there is no study here"),
        ("study.jsonl", "torn", "cannot read the study"),
        ("multirun.yaml", "hydra: {sweeper: {storage: 'nosuch://u:secret@h/d'}, runtime: {}}",
         "cannot open the storage"),
    ],
)  # fmt: skip
def test_what_is_no_study_is_told(tmp_path, name, content, told):
    if name is not None:
        (tmp_path / name).write_text(content)
    path = tmp_path / "none" if name is None else tmp_path
    with pytest.raises(RunDirError, match=told) as raised:
        find_study(path / name if name == "notes.txt" else path)
    assert "secret" not in str(raised.value)


def test_a_port_that_is_taken_is_told(tmp_path):
    begin_study(tmp_path).close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} cannot be used") as raised:
            dashboard_command(tmp_path, port=port)
    assert "--port 0" in raised.value.fix


def test_a_missing_package_is_told_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("ermlab.cli.dashboard.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package optuna-dashboard") as raised:
        dashboard_command(tmp_path, port=0)
    assert "ermlab[dashboard]" in raised.value.fix
