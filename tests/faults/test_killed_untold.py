"""Kill -9 in the moment in which a run has its summary, but the sweep has not been told of it."""

import pandas as pd
import pytest

from ermlab.results.load import load_runs

N_TRIALS = 12
SPACE = ["optimizer.lr=tag(log,interval(0.0001,1))", "loop.batch_size=range(4,12)"]
MEDIAN = ["hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2"]
SWEEPS = {
    "tpe": ["hydra.sweeper.sampler.n_startup_trials=4"],
    "median": MEDIAN,
    "halving": ["hydra/sweeper/pruner=halving", "hydra.sweeper.pruner.bootstrap_count=0"],
    "diverging": [*MEDIAN, "optimizer=sgd", "optimizer.lr=tag(log,interval(0.001,1000))"],
    "batches": [*MEDIAN, "hydra.sweeper.refill=false"],
    "replicates": [*MEDIAN, "hydra.sweeper.replicates=2"],
    "apart": [*MEDIAN, "hydra.sweeper.replicates=3", "hydra.launcher.stack.max_trials=2"],
    "wilcoxon": ["hydra/sweeper/pruner=wilcoxon", "hydra.sweeper.pruner.n_startup_steps=1",
                 "hydra.sweeper.pruner.p_threshold=0.4", "hydra.sweeper.replicates=4",
                 "hydra.launcher.stack.max_trials=3"],
    "two programs": [*MEDIAN, "optimizer=choice(adam,sgd)"],
}  # fmt: skip
# Summaries after which each process is killed; the last one is not.
KILLS = [[1, 1, 3], [2, 4]]


def command(name, kind, tiny):
    options = [f"hydra.sweeper.n_trials={N_TRIALS}", "hydra.sweeper.n_jobs=4"]
    searched = ("loop.batch_size", "optimizer.lr")
    fixed = [word for word in tiny if not word.startswith(searched)]
    return ["-m", "hydra/sweeper=study", "hydra/launcher=stacked", f"hydra.sweep.dir={name}",
            "hydra.sweeper.sampler.seed=1", *options, *SPACE, *fixed, "loop.epochs=8",
            *SWEEPS[kind]]  # fmt: skip


def table(sweep_dir):
    columns = ["trial", "seed", "status", "optimizer.lr", "loop.batch_size", "steps", "valid_loss"]
    return load_runs(sweep_dir)[columns].sort_values(["trial", "seed"], ignore_index=True)


@pytest.mark.parametrize("kind", SWEEPS)
def test_a_sweep_killed_before_it_is_told_of_a_run_is_the_undisturbed_one(
    kind, fleet, tiny, tmp_path
):
    code, told = fleet.run(tmp_path, *command("straight", kind, tiny))
    assert code == 0, told
    straight = table(tmp_path / "straight")
    assert set(straight["trial"]) == set(range(N_TRIALS))
    assert straight["loop.batch_size"].nunique() > 4  # stacks whose places are left at many times
    n_rows = straight.groupby("trial").size()  # fewer where replicates were left out
    assert ("pruned" in set(straight["status"]) or n_rows.nunique() > 1) == (kind != "tpe")
    for number, kills in enumerate(KILLS):
        words = command(f"killed_{number}", kind, tiny)
        for n_summaries in kills:
            code, told = fleet.run(tmp_path, *words, n_summaries=n_summaries)
            assert code == -9, told
        code, told = fleet.run(tmp_path, *words)
        assert code == 0, told
        pd.testing.assert_frame_equal(
            table(tmp_path / f"killed_{number}"), straight, rtol=1e-9, atol=0
        )


def test_a_killed_sweep_goes_on_with_fewer_replicates(fleet, tiny, tmp_path):
    words = command("killed", "apart", tiny)
    code, told = fleet.run(tmp_path, *words, n_summaries=5)
    assert code == -9, told
    options = ["hydra.sweeper.replicates=1", "hydra.sweeper.go_on_changed=true"]
    code, told = fleet.run(tmp_path, *words, *options)
    assert code == 0, told
    assert set(range(N_TRIALS)) <= set(table(tmp_path / "killed")["trial"])
