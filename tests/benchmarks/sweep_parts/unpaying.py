"""(i) Where a stack saves nothing: wide models, large batches, double precision.

The planner may put such trials into stacks or not; either way they must not take longer than one
by one, in one process. Compared are the seconds in the trials, as their summaries tell them.
"""

import csv
import statistics
import tempfile
from pathlib import Path

from report import judge_least, print_table
from sweep_parts.commands import ERMLAB
from sweep_parts.turns import time_command

GOAL = 0.95
COMMON = ["-m", "device=cpu", "plot=false", "hydra.sweep.dir=sweep"]
LRS = "optimizer.lr=0.0001,0.0003,0.001,0.003"
LAUNCHERS = {
    "stacked": ["hydra/launcher=stacked", "hydra.launcher.n_jobs=1"],
    "one by one": ["hydra/launcher=basic"],
}
# So many epochs that a trial takes about a second.
CASES = {
    "512 hidden units": ["model.hidden_units=512", "loop.epochs=60"],
    "2048 hidden units": ["model.hidden_units=2048", "loop.epochs=15"],
    "batches of 500": ["loop.batch_size=500", "loop.validate_every=20", "loop.epochs=500"],
    "float64": ["dtype=float64", "loop.epochs=100"],
    "float64, 512 hidden units": ["dtype=float64", "model.hidden_units=512", "loop.epochs=30"],
}


def print_unpaying(repeats: int) -> None:
    """Measure each case with both launchers in turns."""
    rows = []
    for name, words in CASES.items():
        seconds: dict[str, list[float]] = {launcher: [] for launcher in LAUNCHERS}
        sizes = []
        for _ in range(repeats):
            for launcher, options in LAUNCHERS.items():
                taken, stack_size = train([*ERMLAB, *COMMON, LRS, *words, *options])
                seconds[launcher].append(taken)
                sizes.append(stack_size)
        medians = [statistics.median(seconds[launcher]) for launcher in LAUNCHERS]
        pairs = zip(seconds["one by one"], seconds["stacked"], strict=True)
        ratio = statistics.median(alone / stacked for alone, stacked in pairs)
        shown = [f"{each:.2f}" for each in medians]
        rows.append([name, *shown, str(max(sizes)), *judge_least(ratio, GOAL, 2)])
        print(f"timed {name}", flush=True)
    header = ["seconds in the trials", *LAUNCHERS, "K", "ratio", "goal", ""]
    print_table("(i) where stacking hardly pays, 4 trials on one core", header, rows)


def train(command: list[str]) -> tuple[float, int]:
    """Run a sweep; return the seconds in its trials together, and its largest stack."""
    with tempfile.TemporaryDirectory() as folder:
        time_command(command, Path(folder))
        table = Path(folder) / "sweep" / "results.csv"
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    return sum(float(row["wall_s"]) for row in rows), max(int(row["stack_size"]) for row in rows)
