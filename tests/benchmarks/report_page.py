"""Measures `ermlab report` on a sweep of 1,000 trials with 50 validations each: time and size.

Run it with the project's environment: python tests/benchmarks/report_page.py
"""

import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import judge, print_machine, print_table

from ermlab import rundir

N_TRIALS, N_VALIDATIONS = 1000, 50
GOAL_S, GOAL_MB = 20, 6
N_TURNS = 3
PACKAGES = ("ermlab", "numpy", "pandas", "matplotlib", "optuna", "scipy", "jinja2")


def make_sweep(folder: Path) -> None:
    """Write the run directories of a random search, of which some diverge."""
    draw = random.Random(0)
    for trial in range(N_TRIALS):
        run_dir = folder / str(trial)
        run_dir.mkdir(parents=True)
        lr = 10 ** draw.uniform(-4, 1)
        hidden, rows = draw.randint(8, 256), draw.randint(10, 200)
        has_diverged = lr > 3
        losses = [
            math.nan if has_diverged and i > 3 else 0.8 + math.exp(-lr * i) + draw.gauss(0, 0.01)
            for i in range(N_VALIDATIONS)
        ]
        with rundir.HistoryWriter(run_dir) as history:
            for i, loss in enumerate(losses):
                row = {"step": 20 * i + 19, "epoch": i + 1.0, "train_loss": loss * 0.9}
                history.append(row | {"valid_loss": loss, "wall_s": 0.01 * (i + 1)})
        summary = {
            "status": "diverged" if has_diverged else "completed", "format": rundir.FORMAT,
            "valid_loss": math.nan if has_diverged else min(losses), "train_loss": losses[-1],
            "test_loss": None, "best_step": 19, "steps": 1000, "epochs": 50.0, "wall_s": 0.5,
            "n_parameters": 200 * hidden, "data": "lab1", "model": "two_layer", "loop": "epochs",
            "loss": "squared_error", "optimizer": "adam", "model.hidden_units": hidden,
            "optimizer.lr": lr, "loop.batch_size": rows, "seed": 0, "objective": "valid_loss",
            "stack_size": 16, "version_torch": "2.13.0", "trial": trial,
        }  # fmt: skip
        rundir.write_summary(run_dir, summary)


def main() -> None:
    """Print the figures with what they were measured on."""
    print_machine(PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "sweep"
        make_sweep(sweep)
        times = []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(N_TURNS):
            began = time.perf_counter()
            words = [sys.executable, "-m", "ermlab", "report", str(sweep)]
            subprocess.run(words, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        size_mb = (sweep / "report.html").stat().st_size / 1e6
    rows = [
        ["whole command, slowest of 3 [s]", *judge(max(times), GOAL_S, 1)],
        ["processor time of it, mean [s]", *judge(cpu_s / N_TURNS, GOAL_S, 1)],
        ["size of the file [MB]", *judge(size_mb, GOAL_MB, 2)],
    ]
    title = f"report of {N_TRIALS} trials with {N_VALIDATIONS} validations"
    print_table(title, ["what", "measured", "goal", ""], rows)


if __name__ == "__main__":
    main()
