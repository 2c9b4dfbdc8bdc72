"""The real command in this process, the folders that it is given, and a canary for each test.

Whatever a file or an override says, a command ends with a message in three parts, its exit code is
not 0, there is no traceback, and nothing was called: the canary is a file that hostile inputs would
make if they were executed.
"""

import contextlib
import io
import json
import logging
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from ermlab.cli.main import main

TINY = ["data.n_inputs=3", "data.n_outputs=2", "data.n_train=20", "data.n_valid=5", "data.n_test=5",
        "model.hidden_units=4", "loop.batch_size=5", "loop.epochs=2", "device=cpu",
        "plot=false", "dtype=float64"]  # fmt: skip
SWEEP = ["hydra/sweeper=study", "hydra/launcher=stacked", "hydra.sweeper.n_trials=4",
         "hydra.sweeper.n_jobs=2", "hydra.sweeper.sampler.seed=1",
         "optimizer.lr=tag(log,interval(0.001,0.1))"]  # fmt: skip


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def call(*words):
    """Run the command with some words in this process, in the working directory."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv, dict(os.environ), list(sys.path), Path.cwd()
    known = set(logging._handlerList)
    term = signal.getsignal(signal.SIGTERM)
    sys.argv = ["ermlab", *words]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv, sys.path = before[0], before[2]
        os.environ.clear()
        os.environ.update(before[1])
        os.chdir(before[3])
        signal.signal(signal.SIGTERM, term)
        GlobalHydra.instance().clear()
        for reference in set(logging._handlerList) - known:  # of a set-up that failed half-way
            if isinstance(opened := reference(), logging.FileHandler):
                opened.close()
        for handler in list(logging.getLogger().handlers):  # they write to what was closed
            if type(handler).__module__ == "logging":
                logging.getLogger().removeHandler(handler)
                handler.close()
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Give a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return call


@pytest.fixture
def canary(tmp_path_factory):
    """A path outside the test's folder that hostile inputs would make; it must not be there."""
    path = tmp_path_factory.mktemp("canary") / "executed"
    yield path
    assert not path.exists(), "a hostile input was executed, or wrote outside its folder"
    assert not list(path.parent.iterdir())


@pytest.fixture
def refused(command):
    """Give a function that runs a command which must be refused with one message in three parts."""

    def refused(*words):
        done = command(*words)
        assert done.code == 1, done.out + done.err
        assert "Traceback" not in done.err + done.out, done.err
        assert done.err.count("  where: ") == done.err.count("  fix:   ") == 1, done.err
        return done.err

    return refused


@pytest.fixture
def tiny():
    """Overrides for a trial that takes no time."""
    return TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with a finished run, `run`, and a finished stacked sweep, `sweep`; not changed."""
    folder = tmp_path_factory.mktemp("finished")
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = call(*TINY, "hydra.run.dir=run")
        assert done.code == 0, done.err
        done = call("-m", *TINY, *SWEEP, "hydra.sweep.dir=sweep")
        assert done.code == 0, done.err
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run without its summary: it can be continued."""
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    return tmp_path / "run"


@pytest.fixture
def sweep(finished, tmp_path):
    """A copy of a sweep that was stopped after half its trials."""
    path = tmp_path / "sweep"
    shutil.copytree(finished / "sweep", path)
    for name in ("2", "3", "results.csv", "results.parquet", "optimization_results.yaml"):
        shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()
    lines = (path / "study.jsonl").read_text().splitlines(keepends=True)
    asked = [line for line in lines if json.loads(line).get("ask", 0) < 2]
    (path / "study.jsonl").write_text("".join(x for x in asked if json.loads(x).get("tell", 0) < 2))
    return path


@pytest.fixture
def contents():
    """Give a function that reads all files below a folder, but for logs and tables of results."""

    def contents(folder):
        found = {}
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                found[str(path)] = f"link to {path.readlink()}"
            elif path.is_file() and path.suffix != ".log" and path.stem != "results":
                found[str(path)] = path.read_bytes()
        return found

    return contents
