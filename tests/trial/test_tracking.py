"""What a run does with its tracker: fed in order, and never stopped, slowed or changed by it."""

import logging
import subprocess
import sys
import threading

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import ermlab
from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError
from ermlab.sweep.recorded import read_trial
from ermlab.trial import tracking
from ermlab.trial.checkpoint import early_facts
from ermlab.trial.run import Resume, run_trial
from ermlab.trial.targets import allowed_targets
from ermlab.trial.tracking import finish_tracking

SHORT = ["loop.epochs=3", "device=cpu", "data.n_train=100", "plot=false"]
MY_TRACKER = """
import threading

TOLD = []


class Mine:
    def __init__(self, fails_in, wait_s):
        self.fails_in, self.wait_s = fails_in, wait_s

    def start(self, config, run_dir):
        self._told("start", config["optimizer.lr"])

    def log(self, step, values):
        self._told("log", (step, dict(values)))

    def finish(self, summary, run_dir):
        self._told("finish", dict(summary))

    def _told(self, name, what):
        TOLD.append((name, what, threading.current_thread().name))
        if self.fails_in == name:
            raise OSError(f"no connection in {name}")
        if self.fails_in == f"hangs in {name}":
            threading.Event().wait()
"""


@pytest.fixture
def my_tracker(tmp_path, monkeypatch):
    """A tracker of the user's in a module and an option of its own; gives the calls it got."""
    folder = tmp_path / "mine"
    (folder / "tracker").mkdir(parents=True)
    (folder / "my_tracker.py").write_text(MY_TRACKER)
    node = {"_target_": "my_tracker.Mine", "fails_in": "nothing", "wait_s": 30}
    (folder / "tracker" / "mine.yaml").write_text(yaml.safe_dump(node))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_tracker", raising=False)
    tracking._followed.cache_clear()
    import my_tracker

    yield my_tracker.TOLD
    sys.modules.pop("my_tracker", None)
    tracking._followed.cache_clear()


def run(*words, call=ermlab.run):
    words = [*SHORT, "tracker=mine", *words]
    return call(words, config_dir="mine", allow=["my_tracker.*"])


def test_a_tracker_of_the_users_is_told_all_in_order(my_tracker):
    run("hydra.run.dir=here", "optimizer.lr=0.01")
    names = [name for name, _, _ in my_tracker]
    assert names == ["start", "log", "log", "log", "finish"]
    assert my_tracker[0][1] == 0.01
    history = ermlab.load_history("here")
    assert [what[0] for name, what, _ in my_tracker if name == "log"] == history["step"].tolist()
    values = [what[1]["valid_loss"] for name, what, _ in my_tracker if name == "log"]
    assert values == history["valid_loss"].tolist()
    told = my_tracker[-1][1]
    assert (told["status"], told["test_loss"]) == (
        "completed", *ermlab.load_runs("here")["test_loss"],
    )  # fmt: skip
    assert "optimizer.lr" not in told
    assert {thread for _, _, thread in my_tracker} == {"tracker Mine"}


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_each_run_of_a_sweep_has_a_tracker(my_tracker, launcher):
    run(f"hydra/launcher={launcher}", "optimizer.lr=0.01,0.1", call=ermlab.sweep)
    names = [name for name, _, _ in my_tracker]
    assert sorted(names) == sorted(2 * ["start", "log", "log", "log", "finish"])
    assert sorted(what for name, what, _ in my_tracker if name == "start") == [0.01, 0.1]


@pytest.mark.parametrize("where", ["start", "log", "finish"])
def test_one_that_fails_is_one_warning_and_changes_nothing(my_tracker, caplog, where):
    row = run(f"tracker.fails_in={where}")
    assert row["status"].tolist() == ["completed"]
    plain = ermlab.run(SHORT)
    assert row["test_loss"].tolist() == plain["test_loss"].tolist()
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"OSError: no connection in {where}" in warnings[0]


@pytest.mark.parametrize("where", ["start", "finish"])
def test_one_that_hangs_is_waited_for_once(my_tracker, caplog, where):
    words = [f"tracker.fails_in='hangs in {where}'", "tracker.wait_s=0.2"]
    for _ in range(3):
        assert run(*words)["status"].tolist() == ["completed"]
    assert len([name for name, _, _ in my_tracker if name == "start"]) == 1
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "did not end within 0.2 s" in warnings[0]


def test_one_that_cannot_be_amended_or_fails_in_it_stops_nothing(my_tracker, tmp_path, caplog):
    import my_tracker as module

    mine = module.Mine(fails_in="nothing", wait_s=30)
    tracking.amend_tracking(None, {"test_loss": 0.5}, tmp_path)
    tracking.amend_tracking(mine, {"test_loss": 0.5}, tmp_path)
    assert my_tracker == []
    mine.amend = lambda added, run_dir: fail()
    tracking.amend_tracking(mine, {"test_loss": 0.5}, tmp_path)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "Mine failed" in warning
    assert "no more" in warning


def test_a_run_that_fails_is_told_so(my_tracker, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    with pytest.raises(RuntimeError, match="no more"):
        carry_out(bad, on_check=lambda check, n: fail())
    assert [name for name, _, _ in my_tracker] == ["start", "log", "finish"]
    assert my_tracker[-1][1]["status"] == "failed"
    assert "no more" in my_tracker[-1][1]["error"]


def test_a_run_that_is_continued_begins_with_its_rows(my_tracker, tmp_path):
    folder = tmp_path / "long"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        carry_out(folder, "loop.checkpoint_every=0", on_check=lambda check, n: stop(check))
    finish_tracking(folder)
    assert my_tracker[-1][1] == {"status": "unfinished"}
    my_tracker.clear()
    carry_out(folder, "loop.checkpoint_every=0", resume=Resume(force=False))
    finish_tracking(folder)
    steps = [what[0] for name, what, _ in my_tracker if name == "log"]
    assert steps == [int(step) for step in rundir.read_history(folder)["step"]]
    assert my_tracker[-1][1]["status"] == "completed"


def carry_out(folder, *words, **options):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        words = [*SHORT, "hydra.searchpath=[file://mine]", "tracker=mine", *words]
        config = compose("config", [w.replace("//mine", f"//{folder.parent}/mine") for w in words])
    allow = allowed_targets(["my_tracker.*"])
    return run_trial(config, run_dir=folder, choices={"tracker": "mine"}, allow=allow, **options)


def fail():
    raise RuntimeError("no more")


def stop(check):
    if check.step > 2:
        raise KeyboardInterrupt


def test_without_a_tracker_nothing_is_imported_and_no_thread_started(tmp_path):
    code = (
        "import sys, threading, ermlab\n"
        f"frame = ermlab.run({SHORT!r})\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorboard', 'mlflow', 'wandb')],"
        " [t.name for t in threading.enumerate() if 'tracker' in t.name],"
        " [c for c in frame.columns if 'tracker' in c])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[] [] []", done.stderr


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_one_that_is_not_installed_is_told_before_training(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for package in ("mlflow.tracking", "torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    with pytest.raises(ConfigError, match=f"tracker={name} needs the package") as raised:
        ermlab.run([*SHORT, f"tracker={name}", "hydra.run.dir=here"])
    assert f"ermlab[{name}]" in raised.value.fix
    assert not (tmp_path / "here" / rundir.HISTORY).exists()


def test_the_tracker_is_a_column_only_where_there_is_one(my_tracker, tmp_path):
    with_one, without = run(), ermlab.run([*SHORT, "hydra.run.dir=there"])
    assert with_one["tracker"].tolist() == ["mine"]
    (tmp_path / "there" / rundir.SUMMARY).unlink()
    unfinished = ermlab.load_runs("there")
    with pytest.raises(ConfigError):
        ermlab.run(["optimizer.lr=-1", "hydra.run.dir=failed"])
    for frame in (without, unfinished, ermlab.load_runs("failed")):
        assert not [name for name in frame if "tracker" in name]


def test_a_run_may_be_continued_with_another_tracker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, after = OmegaConf.create({"seed": 1}), OmegaConf.create({"seed": 1, "tracker": {}})
    assert early_facts(before) == early_facts(after)
    assert early_facts(OmegaConf.create({"seed": 2})) != early_facts(after)


def test_a_run_of_before_there_were_trackers_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ermlab.run([*SHORT, "hydra.run.dir=old"])
    path = tmp_path / "old" / rundir.CONFIG
    config = yaml.safe_load(path.read_text())
    assert config.pop("tracker") == {}
    path.write_text(yaml.safe_dump(config))
    assert read_trial(tmp_path / "old").config.tracker == {}
    assert not threading.current_thread().name.startswith("tracker")
