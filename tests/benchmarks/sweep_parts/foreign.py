"""(n) What the launcher `stacked` costs a task that is not ermlab's and does nothing."""

import statistics
import sys
import tempfile
from pathlib import Path

from report import judge, print_table
from sweep_parts.commands import PARTS
from sweep_parts.turns import time_command

N_JOBS, N_FEW = 100, 2
GOAL_S = 2.0  # for all jobs, beyond start-up
HIGHEST = 1_000_000  # of the key that Optuna draws
SWEEPERS = {
    "Optuna sweeper": lambda n: [
        *["hydra/sweeper=optuna", "hydra/sweeper/sampler=random", f"x=range(0,{HIGHEST})"],
        *[f"hydra.sweeper.n_trials={n}", f"hydra.sweeper.n_jobs={n}"],
    ],
    "basic sweeper": lambda n: [f"x=range(0,{n})"],
}


def print_foreign(repeats: int) -> None:
    """Measure sweeps of many and of few jobs, for both sweepers and launchers."""
    seconds: dict[tuple[str, str, int], list[float]] = {}
    cases = [(s, launcher) for s in SWEEPERS for launcher in ("stacked", "basic")]
    for _ in range(repeats):
        for sweeper, launcher in cases:
            for n in (N_FEW, N_JOBS):
                words = [sys.executable, str(PARTS / "noop_hydra.py"), "-m"]
                words += [f"hydra/launcher={launcher}", *SWEEPERS[sweeper](n)]
                with tempfile.TemporaryDirectory() as folder:
                    taken = time_command(words, Path(folder))
                seconds.setdefault((sweeper, launcher, n), []).append(taken)
        print("timed empty sweeps of a task that is not ermlab's", flush=True)
    rows = []
    for sweeper, launcher in cases:
        few, many = (statistics.median(seconds[sweeper, launcher, n]) for n in (N_FEW, N_JOBS))
        more = many - few
        has_goal = (sweeper, launcher) == next(iter(cases))
        verdict = judge(more, GOAL_S, 2) if has_goal else (f"{more:.2f}", "", "")
        each_ms = more / (N_JOBS - N_FEW) * 1e3
        rows.append([f"{launcher}, {sweeper}", f"{few:.2f}", *verdict, f"{each_ms:.1f}"])
    header = ["launcher", f"{N_FEW} jobs [s]", "more [s]", "goal", "", "per job [ms]"]
    print_table(f"(n) {N_JOBS} empty jobs that are not ermlab's", header, rows)
