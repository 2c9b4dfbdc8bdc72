"""Whole sweeps of `hydra/sweeper=study`, through the command line and every launcher."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from ermlab.results.load import load_runs

SHORT = ["loop.epochs=2", "plot=false", "device=cpu", "dtype=float64", "data.n_train=200"]
SEARCH = [
    "hydra/sweeper=study",
    "hydra.sweeper.sampler.seed=1",
    "optimizer.lr=tag(log,interval(0.001,0.1))",
    "model.hidden_units=range(4,30)",
]
COLUMNS = ["trial", "seed", "status", "optimizer.lr", "model.hidden_units", "valid_loss"]


def command(name, *words, launcher="stacked", n_trials=6):
    options = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={name}"]
    options += [f"hydra.sweeper.n_trials={n_trials}", "hydra.sweeper.n_jobs=3"]
    return [sys.executable, "-m", "ermlab", "-m", *options, *SEARCH, *SHORT, *words]


def sweep(folder, *words, **options):
    done = subprocess.run(
        command(*words, **options), cwd=folder, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    return done, load_runs(folder / words[0])


def events(folder):
    lines = (folder / "study.jsonl").read_text().splitlines()[1:]
    return [json.loads(line) for line in lines]


def test_the_points_are_those_of_the_optuna_sweeper(tmp_path):
    done, table = sweep(tmp_path, "study", "hydra.sweeper.refill=false")
    assert done.returncode == 0, done.stderr
    other, reference = sweep(tmp_path, "optuna", "hydra/sweeper=optuna", "loop.test=false")
    assert other.returncode == 0, other.stderr
    columns = ["optimizer.lr", "model.hidden_units", "valid_loss"]
    pd.testing.assert_frame_equal(table[columns], reference[columns], check_exact=True)
    assert "ermlab resume study" in done.stdout


def test_only_the_winner_reads_the_test_split_and_once(tmp_path):
    done, table = sweep(tmp_path, "out")
    assert done.returncode == 0, done.stderr
    best = table["valid_loss"].idxmin()
    assert table["test_loss"].notna().sum() == 1
    assert table.loc[best, "test_reads"] == 1
    lr, h = (table.loc[best, key] for key in ("optimizer.lr", "model.hidden_units"))
    words = [f"optimizer.lr={float(lr)!r}", f"model.hidden_units={h}", "hydra.run.dir=alone"]
    alone = [sys.executable, "-m", "ermlab", *words, *SHORT]
    subprocess.run(alone, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    expected = load_runs(tmp_path / "alone").loc[0]
    for name in ("test_loss", "generalization_gap"):  # trained in a stack, so equal to rounding
        assert table.loc[best, name] == pytest.approx(expected[name], rel=1e-9)


@pytest.mark.parametrize(("policy", "tested"), [("all", 4), ("none", 0)])
def test_the_policy_of_testing_can_be_chosen(policy, tested, tmp_path):
    _, table = sweep(tmp_path, "out", f"hydra.sweeper.sweep_test={policy}", n_trials=4)
    assert (table["test_loss"].notna().sum() if "test_loss" in table else 0) == tested


def test_replicates_are_runs_of_one_trial_and_their_mean_is_told(tmp_path):
    done, table = sweep(tmp_path, "out", "hydra.sweeper.replicates=3", n_trials=4)
    assert done.returncode == 0, done.stderr
    assert list(table["trial"]) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert list(table["seed"]) == [0, 1, 2] * 4
    means = table.groupby("trial")["valid_loss"].mean()
    told = {each["tell"]: each["values"][0] for each in events(tmp_path / "out") if "tell" in each}
    assert told == pytest.approx(dict(means))
    winner = table[table["trial"] == means.idxmin()]
    assert winner["test_loss"].notna().all()
    assert table["test_loss"].notna().sum() == 3


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_killed_sweep_goes_on_and_has_the_table_of_the_undisturbed_one(launcher, tmp_path):
    rng = random.Random(launcher)
    words = ["loop.epochs=6"]
    done, straight = sweep(tmp_path, "straight", *words, launcher=launcher, n_trials=9)
    assert done.returncode == 0, done.stderr
    for _ in range(3):
        started = subprocess.Popen(
            command("killed", *words, launcher=launcher, n_trials=9), cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait = time.monotonic() + 60
        before = len(list((tmp_path / "killed").glob("*/summary.json")))
        while len(list((tmp_path / "killed").glob("*/summary.json"))) <= before:
            if started.poll() is not None or time.monotonic() > wait:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        started.send_signal(signal.SIGKILL)
        started.wait()
    resume = [sys.executable, "-m", "ermlab", "resume", str(tmp_path / "killed")]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(resume, cwd=elsewhere, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "killed")
    pd.testing.assert_frame_equal(table[COLUMNS], straight[COLUMNS], rtol=1e-9, atol=0)
    asked = [each["ask"] for each in events(tmp_path / "killed") if "ask" in each]
    told = [each["tell"] for each in events(tmp_path / "killed") if "tell" in each]
    assert asked == list(range(9))
    assert sorted(told) == list(range(9))


def test_a_finished_sweep_trains_nothing_more(tmp_path):
    sweep(tmp_path, "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/last.*")}
    done, table = sweep(tmp_path, "out")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/last.*")} == before
    assert len(table) == 6
    more, table = sweep(tmp_path, "out", n_trials=8)
    assert more.returncode == 0, more.stderr
    assert len(table) == 8


def test_failures_are_rows_and_the_sweep_goes_on(tmp_path):
    # Of these batch sizes some are larger than the train split of 40 rows.
    words = ["data.n_train=40", "loop.batch_size=choice(10,20,300)"]
    done, table = sweep(tmp_path, "out", *words, "hydra.sweeper.max_failure_rate=1", n_trials=9)
    assert done.returncode == 0, done.stderr
    failed = table["loop.batch_size"].isna() | (table["loop.batch_size"] == 300)
    assert set(table.loc[table["status"] == "failed", "trial"]) == set(table.loc[failed, "trial"])
    assert 0 < failed.sum() < 9
    states = {each["tell"]: each["state"] for each in events(tmp_path / "out") if "tell" in each}
    assert {n for n, state in states.items() if state == "PRUNED"} == set(
        table.loc[failed, "trial"]
    )


def test_a_mistake_that_all_trials_share_ends_the_sweep_at_once(tmp_path):
    done, table = sweep(tmp_path, "out", "data.n_train=10", n_trials=30)
    assert done.returncode == 1
    assert "a batch of 50 rows is larger than the training split of 10 rows" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(table) == 3  # the first batch


def test_more_failures_than_allowed_end_the_sweep_and_keep_its_rows(tmp_path):
    words = ["data.n_train=40", "loop.batch_size=choice(10,20,300)"]
    done, table = sweep(tmp_path, "out", *words, "hydra.sweeper.max_failure_rate=0", n_trials=30)
    assert done.returncode == 1
    assert "more than max_failure_rate=0 of 30" in done.stdout
    assert (tmp_path / "out" / "results.csv").exists()
    assert len(table) < 30


SLOW_SPACE = """
import time


def extend(config, trial):
    trial.suggest_int("loop.epochs", *([2, 2] if trial.number == 0 else [6, 6]))
    if trial.number == 3:  # asked for in time, while the others train or after a batch
        time.sleep(config.hydra.sweeper.timeout)
"""


@pytest.mark.parametrize("refill", ["true", "false"])
def test_after_the_timeout_open_trials_end_and_no_other_begins(refill, tmp_path):
    (tmp_path / "space.py").write_text(SLOW_SPACE)
    words = ["hydra.sweeper.timeout=5", "hydra.sweeper.custom_search_space=space.extend",
             f"hydra.sweeper.refill={refill}"]  # fmt: skip
    start = [word for word in command("out", *words, n_trials=60) if word != "loop.epochs=2"]
    done = subprocess.run(
        start, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "ERMLAB_ALLOW": "space.*"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(table["trial"]) == [0, 1, 2, 3]
    assert list(table["status"]) == ["completed"] * 4
    assert list(table["epochs"]) == [2, 6, 6, 6]
    assert [each["ask"] for each in events(tmp_path / "out") if "ask" in each] == [0, 1, 2, 3]
    assert "(hydra.sweeper.timeout)" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("goes on with: ermlab resume out")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("optimizer.lrr=interval(0.1,1)", "optimizer.lrr"),
        ("optimizer=choice(adam,adamm)", "adamm"),
        ("model=choice(two_layer,linear)", "model.hidden_units"),  # which linear has not
    ],
)
def test_a_search_that_cannot_be_composed_is_refused_before_any_work(word, told, tmp_path):
    done = subprocess.run(
        command("out", word), cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "resume" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("hydra.sweeper.n_trials=0", "n_trials is 0"),
        ("hydra.sweeper.n_jobs=0", "n_jobs is 0"),
        ("hydra.sweeper.replicates=0", "replicates is 0"),
        ("hydra.sweeper.retries=-1", "retries is -1"),
        ("hydra.sweeper.max_failure_rate=2", "max_failure_rate is 2"),
        ("hydra.sweeper.timeout=-1", "timeout is -1"),
        ("hydra.sweeper.sweep_test=maybe", "sweep_test is maybe"),
        ("hydra.sweeper.storage=study.db", "study.db is not the URL of a database"),
        ("hydra.sweeper.heartbeat_interval=0", "heartbeat_interval is 0"),
        ("hydra.sweeper.study_name=mine", "study_name is 'mine'"),
        ("hydra.sweeper.nonsense=1", "nonsense"),
        ("hydra.sweeper.custom_search_space=os.system", "which may not be called"),
    ],
)
def test_a_wrong_option_is_told_before_any_work(word, told, tmp_path):
    done = subprocess.run(
        command("out", word), cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "0").exists()
