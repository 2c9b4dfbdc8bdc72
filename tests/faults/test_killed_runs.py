"""Kill -9 of a single run, twenty times at any moment: it ends with the bits of the undisturbed."""

import json
import random
import time

from ermlab import rundir

N_KILLS = 20


def contents(run_dir):
    """Read what a run left behind, without its times and its log."""
    lines = (run_dir / rundir.HISTORY).read_text().splitlines()
    summary = json.loads((run_dir / rundir.SUMMARY).read_text())
    del summary["started_at"], summary["wall_s"]
    weights = {path.name: path.read_bytes() for path in run_dir.glob("*.safetensors")}
    return {"rows": [line.rpartition(",")[0] for line in lines], "summary": summary, **weights}


def test_a_run_killed_at_any_moment_ends_with_the_same_bits(fleet, tiny, tmp_path):
    draws, n_kills, n_runs = random.Random(1), 0, 0
    long = [*tiny, "loop.epochs=400", "loop.checkpoint_every=0.01"]
    code, told = fleet.run(tmp_path, *long, "hydra.run.dir=straight")
    assert code == 0, told
    while n_kills < N_KILLS:
        run_dir = tmp_path / f"killed_{n_runs}"
        words = [*long, f"hydra.run.dir={run_dir.name}"]
        while True:
            child = fleet.start(tmp_path, *words)
            n_rows = rundir.count_rows(run_dir) + draws.choice([-500, 1, 20, 100, 500])
            goes_on = n_kills < N_KILLS and child.wait_for(
                lambda path=run_dir, n=n_rows: rundir.count_rows(path) >= n
            )
            if goes_on:
                time.sleep(draws.uniform(0, 0.05))
            if not goes_on or child.poll() is not None:
                assert child.wait() == 0, child.told()
                break
            child.kill()
            n_kills += 1
            if (run_dir / rundir.OVERRIDES).exists():  # what Hydra writes last of its files
                words = ["resume", run_dir.name]
        assert contents(run_dir) == contents(tmp_path / "straight")
        n_runs += 1
