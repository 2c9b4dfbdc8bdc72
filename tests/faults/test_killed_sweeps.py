"""Kill -9 of all processes of a sweep, twenty times for each launcher: nothing lost or repeated."""

import json
import random
import time

import pandas as pd
import pytest

from ermlab import rundir
from ermlab.results.load import load_runs

N_TRIALS, N_KILLS = 8, 20
MOST_KILLS = 12  # of one sweep, so that there are several on a fast machine too
LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "stacked": ["hydra/launcher=stacked"],
    "stacked in two processes": ["hydra/launcher=stacked", "hydra.launcher.n_jobs=2"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
}
# What the undisturbed sweep has otherwise: times, and how many trials were left for a stack.
UNLIKE = ["run_dir", "started_at", "wall_s", "stack_size", "git_sha"]


def command(name, launcher, tiny):
    sampler = "random" if "two" in launcher or launcher == "joblib" else "tpe"
    options = [f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.sampler.seed=3"]
    options += [f"hydra.sweeper.n_trials={N_TRIALS}", "hydra.sweeper.n_jobs=4"]
    space = ["optimizer.lr=tag(log,interval(0.001,0.1))", "loop.epochs=range(2,5)"]
    return ["-m", "hydra/sweeper=study", f"hydra.sweep.dir={name}", *options, *space, *tiny,
            *LAUNCHERS[launcher]]  # fmt: skip


def table(sweep_dir):
    frame = load_runs(sweep_dir)
    kept = [name for name in frame.columns if name not in UNLIKE and "version" not in name]
    return frame[kept]


def events(sweep_dir):
    lines = (sweep_dir / rundir.STUDY).read_text().splitlines()[1:]
    return [json.loads(line) for line in lines]


def check(sweep_dir, straight):
    """Every trial once, and the table of the undisturbed sweep."""
    asked = [each["ask"] for each in events(sweep_dir) if "ask" in each]
    told = [each["tell"] for each in events(sweep_dir) if "tell" in each]
    assert asked == sorted(told) == list(range(N_TRIALS))
    pd.testing.assert_frame_equal(table(sweep_dir), table(straight), rtol=1e-9, atol=0)
    written = pd.read_csv(sweep_dir / rundir.RESULTS_CSV)
    assert list(written["status"]) == ["completed"] * N_TRIALS
    assert written["test_loss"].notna().sum() == 1


def kill_until_done(fleet, folder, name, words, draws, count_files, kills):
    """Start a sweep and kill it again and again, until it has ended or was killed often enough."""
    sweep_dir = folder / name
    typed = words
    last = min(N_KILLS, len(kills) + MOST_KILLS)
    while True:
        n_before = count_files(sweep_dir)
        n_more = draws.choice([0, 1, 2, 4, 8, 12, 20, 30])
        child = fleet.start(folder, *typed)
        goes_on = len(kills) < last and child.wait_for(
            lambda before=n_before, more=n_more: count_files(sweep_dir) >= before + more
        )
        if goes_on:
            time.sleep(draws.uniform(0, 0.2 if n_more == 0 else 0.03))
            goes_on = child.poll() is None
        if not goes_on:
            code = child.wait()
            assert code == 0, child.told()
            return
        child.kill()
        kills.append(count_files(sweep_dir))
        typed = ["resume", name] if (sweep_dir / rundir.STUDY).exists() else words


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_killed_at_any_moment_is_the_undisturbed_one(
    launcher, fleet, tiny, tmp_path, count_files
):
    draws, kills = random.Random(launcher), []
    code, told = fleet.run(tmp_path, *command("straight", launcher, tiny))
    assert code == 0, told
    n_sweeps = 0
    while len(kills) < N_KILLS:
        name = f"killed_{n_sweeps}"
        words = command(name, launcher, tiny)
        kill_until_done(fleet, tmp_path, name, words, draws, count_files, kills)
        check(tmp_path / name, tmp_path / "straight")
        n_sweeps += 1
    assert n_sweeps > 1
    assert len(set(kills)) > 5, "the kills must hit many moments"
