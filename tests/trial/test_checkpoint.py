"""An interrupted run that is continued: the same bits as one that never stopped."""

import json
import random
from contextlib import contextmanager

import pytest

from ermlab import rundir
from ermlab.loop.learner import Paused
from ermlab.trial import run
from ermlab.trial.run import Resume

LOOPS = {
    "simple": ["loop.steps=150", "loop.record_every=7"],
    "validation": ["loop.steps=150", "loop.validate_every=7"],
    "testing": ["loop.steps=150", "loop.validate_every=20", "loop.patience=3"],
    "random_splits": ["loop.steps=150", "loop.validate_every=13"],
    "epochs": ["loop.epochs=9"],
}


def pause_at(monkeypatch, n_steps):
    """Let Ctrl-C come when this many steps are made."""
    asked = iter([False] * n_steps)

    @contextmanager
    def pausing():
        yield lambda: next(asked, True)

    monkeypatch.setattr(run, "pausing", pausing)


def contents(run_dir):
    """Read all that a run left behind, without its times."""
    lines = (run_dir / rundir.HISTORY).read_text().splitlines()
    summary = json.loads((run_dir / rundir.SUMMARY).read_text())
    del summary["started_at"], summary["wall_s"], summary["loop.checkpoint_every"]
    times = (rundir.SUMMARY, rundir.HISTORY)
    rest = {p.name: p.read_bytes() for p in sorted(run_dir.iterdir()) if p.name not in times}
    return {"rows": [line.rpartition(",")[0] for line in lines], "summary": summary, **rest}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_run_that_crashed_at_a_check_goes_on_as_if_it_had_not(loop, optimizer, trial, crash_at):
    words = [f"loop={loop}", *LOOPS[loop], f"optimizer={optimizer}"]
    whole = trial("whole", *words, "loop.checkpoint_every=null")
    n_checks = len((whole / rundir.HISTORY).read_text().splitlines()) - 1
    n = random.Random(f"{loop} {optimizer}").randrange(1, n_checks)
    with pytest.raises(KeyboardInterrupt):
        trial("apart", *words, "loop.checkpoint_every=0", on_check=crash_at(n))
    apart = trial("apart", *words, "loop.checkpoint_every=0", resume=Resume(force=False))
    assert contents(apart) == contents(whole)


@pytest.mark.parametrize("moment", range(3))
@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=lbfgs"],
        ["optimizer=torch_adam"],
        ["optimizer=adagrad"],
        ["optimizer=momentum", "optimizer.nesterov=true", "optimizer.momentum=0.5"],
        ["model=dropout"],
        ["model=norm"],
        ["model=noisy"],
        ["model=mlp", "dtype=float64", "loop.validate_every=30", "optimizer.weight_decay=0.1"],
        ["optimizer=sgd", "optimizer.lr=1e9"],
    ],
    ids=lambda words: words[0] + words[-1].rpartition(".")[2],
)
def test_a_run_that_paused_between_two_checks_goes_on_as_if_it_had_not(
    words, moment, trial, monkeypatch
):
    words = ["loop=epochs", "loop.epochs=9", *words]
    whole = trial("whole", *words)
    n_steps = json.loads((whole / rundir.SUMMARY).read_text())["steps"]
    first, second = sorted(random.Random(moment).sample(range(n_steps), 2))
    for n in (first, second - first) if moment else (0, 0):  # twice in one run
        pause_at(monkeypatch, n)
        with pytest.raises(Paused):
            trial("apart", *words, resume=Resume(force=False))
    pause_at(monkeypatch, 10**4)
    assert contents(trial("apart", *words, resume=Resume(force=False))) == contents(whole)


def test_checkpoints_change_no_number(trial):
    words = ["model=dropout", "loop=epochs", "loop.epochs=9"]
    often = trial("often", *words, "loop.checkpoint_every=0")
    never = trial("never", *words, "loop.checkpoint_every=null")
    assert contents(often) == contents(never)


def test_a_plan_without_checkpoint_every_can_be_continued(trial, monkeypatch):
    run_dirs = [trial("whole", "loop=own")]
    pause_at(monkeypatch, 17)
    with pytest.raises(Paused):
        trial("apart", "loop=own")
    pause_at(monkeypatch, 10**4)
    run_dirs.append(trial("apart", "loop=own", resume=Resume(force=False)))
    weights = [(each / rundir.LAST).read_bytes() for each in run_dirs]
    assert weights[0] == weights[1]


def test_an_optimizer_that_cannot_tell_its_state_trains_without_checkpoints(trial, caplog):
    run_dir = trial("a", "optimizer=plain", "loop.epochs=3", "loop.checkpoint_every=0")
    assert "Plain cannot tell its state" in caplog.text
    assert len(caplog.records) == 1
    assert rundir.read_summary(run_dir)["status"] == "completed"


def test_a_run_that_failed_is_continued_from_its_checkpoint(trial):
    def fail(check, n_steps):
        if check.step > 40:
            raise OSError("the disk is gone")

    words = ["loop=epochs", "loop.epochs=9", "loop.checkpoint_every=0"]
    whole = trial("whole", *words)
    with pytest.raises(OSError, match="is gone"):
        trial("apart", *words, on_check=fail)
    assert contents(trial("apart", *words, resume=Resume(force=False))) == contents(whole)


def test_a_run_without_a_checkpoint_starts_anew(trial, crash_at):
    words = ["loop.epochs=4", "loop.checkpoint_every=null"]
    whole = trial("whole", *words)
    with pytest.raises(KeyboardInterrupt):
        trial("apart", *words, on_check=crash_at(2))
    assert contents(trial("apart", *words, resume=Resume(force=False))) == contents(whole)


def test_leftovers_of_a_killed_process_are_removed(trial, tmp_path):
    (tmp_path / "a").mkdir()
    for name in (rundir.CHECKPOINT, f"{rundir.CHECKPOINT}.17.tmp", f"{rundir.SUMMARY}.17.tmp"):
        (tmp_path / "a" / name).write_text("half")
    names = {path.name for path in trial("a", "loop.epochs=2").iterdir()}
    assert names == {rundir.SUMMARY, rundir.HISTORY, rundir.COLUMNS, rundir.BEST, rundir.LAST}
