"""`hydra/sweeper=study` under launchers that are not ours, and on a cluster's backend."""

import json
import subprocess
import sys

import pytest

from ermlab.results.load import load_runs

SHORT = ["loop.epochs=2", "plot=false", "device=cpu", "dtype=float64", "data.n_train=200"]
LAUNCHERS = {
    "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"],
    "ray": ["hydra/launcher=stacked", "hydra.launcher.backend=ray", "hydra.launcher.n_jobs=2"],
}
MODULES = {"submitit": "hydra_plugins.hydra_submitit_launcher", "ray": "ray"}
RESUME = {"submitit": "ermlab resume --trust out", "ray": "ermlab resume out"}


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_small_sweep_ends_with_a_full_table(name, tmp_path):
    pytest.importorskip(MODULES[name], reason=f"{name} is not installed: pip install -e '.[test]'")
    words = ["hydra/sweeper=study", "hydra.sweep.dir=out", "hydra.sweeper.n_trials=4",
             "hydra.sweeper.n_jobs=2", "hydra.sweeper.sampler.seed=1",
             "optimizer.lr=tag(log,interval(0.001,0.1))"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "ermlab", "-m", *words, *LAUNCHERS[name], *SHORT], cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"goes on with: {RESUME[name]}\n" in done.stdout
    table = load_runs(tmp_path / "out")
    assert list(table["trial"]) == [0, 1, 2, 3]
    assert set(table["status"]) == {"completed"}
    assert table["test_loss"].notna().sum() == 1  # the winner's
    lines = (tmp_path / "out" / "study.jsonl").read_text().splitlines()[1:]
    told = [event["values"][0] for event in map(json.loads, lines) if "tell" in event]
    assert sorted(told) == sorted(table["valid_loss"])
