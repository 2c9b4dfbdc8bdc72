"""The command lines that are compared: the same sweep, as users of each alternative start it.

What they train is in `plain_loop.py` and in `sweeps/hidden_step_batch.yaml`; how they are timed is
in `turns.py`.
"""

import csv
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweep_parts.search import RESULTS, Point, read_results, search_space

PARTS = Path(__file__).parent
CORES = os.cpu_count() or 1
N_SHORT = max(2, CORES)  # trials of a sweep that starts everything: one for each worker
EPOCHS = 20
MIXED, NARROW = 256, 32  # most hidden units of the two searches
ERMLAB = [sys.executable, "-m", "ermlab"]
# Ours has no empty task: one row of one number, one step, one validation, one test.
EMPTY_TASK = [f"data.{key}=1" for key in ("n_train", "n_valid", "n_test", "n_inputs", "n_outputs")]

Results = list[tuple[Point, float]]  # points and their lowest validation losses


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What one command is to do.

    Args:
        n_trials: in all, >= 1.
        epochs: of each trial; 0 for an empty task.
        widest: most hidden units.
        seed: of the points.
    """

    n_trials: int
    epochs: int = EPOCHS
    widest: int = MIXED
    seed: int = 0


SHORT = Sweep(n_trials=N_SHORT, epochs=1)  # starts all that a sweep starts, and little else


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One way to run a sweep.

    Args:
        title: as printed.
        command: makes the command line of a sweep.
        read: reads the results from the folder that it ran in.
        n_trials: fewer than the others make, for those that take long.
        n_times: how often its commands run in each turn: more for those whose trials take less
            time together than their start-up varies.
        needs: the package that it is skipped without.
        goals: how many times as fast ours should be, for each `widest` that it runs.
    """

    title: str
    command: Callable[[Sweep], list[str]]
    read: Callable[[Path], Results] = lambda folder: read_results(folder / RESULTS)
    n_trials: int | None = None
    n_times: int = 1
    needs: str | None = None
    goals: Mapping[int, float | None] = field(default_factory=dict)

    def is_installed(self) -> bool:
        """Whether the package that it needs is there."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


def start_hydra(script: str, *options: str) -> Callable[[Sweep], list[str]]:
    """Make the command line of a Hydra script in this folder, swept by Optuna's sweeper."""

    def command(sweep: Sweep) -> list[str]:
        words = [sys.executable, str(PARTS / script), "-m", "hydra/sweeper=optuna"]
        words += [*_draw_at_random(sweep), *options, f"epochs={sweep.epochs}"]
        return [*words, *search_space(sweep.widest)]

    return command


def start_script(script: str) -> Callable[[Sweep], list[str]]:
    """Make the command line of a script in this folder that has its own loop over trials."""

    def command(sweep: Sweep) -> list[str]:
        words = [f"--trials={sweep.n_trials}", f"--epochs={sweep.epochs}"]
        words += [f"--widest={sweep.widest}", f"--seed={sweep.seed}"]
        return [sys.executable, str(PARTS / script), *words]

    return command


def start_ours(n_jobs: int) -> Callable[[Sweep], list[str]]:
    """Make ermlab's command line."""

    def command(sweep: Sweep) -> list[str]:
        words = [*ERMLAB, "-m", "sweeps=hidden_step_batch", "device=cpu", "hydra.sweep.dir=sweep"]
        words += ["hydra/launcher=stacked", f"hydra.launcher.n_jobs={n_jobs}"]
        words += [*_draw_at_random(sweep), f"loop.epochs={max(1, sweep.epochs)}"]
        words += search_space(sweep.widest, ("model.", "optimizer.", "loop."))
        if sweep.epochs == 0:
            words += [*EMPTY_TASK, "loop.batch_size=1"]
        if sweep is SHORT:  # one stack would start one worker
            words.append("hydra.launcher.stack.max_trials=1")
        return words

    return command


def read_ours(folder: Path) -> Results:
    """Read the table of results that a sweep of ermlab's ends with."""
    with (folder / "sweep" / "results.csv").open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["run_dir"]))
    return [(_point_of(row), float(row["valid_loss"] or "inf")) for row in rows]


def _point_of(row: Mapping[str, str]) -> Point:
    return Point(
        hidden_units=int(row["model.hidden_units"]),
        lr=float(row["optimizer.lr"]),
        batch_size=int(row["loop.batch_size"]),
    )


def _draw_at_random(sweep: Sweep) -> Sequence[str]:
    # All suggestions at a time: no worker waits for others, and the sampler does not mind.
    counts = [f"hydra.sweeper.n_trials={sweep.n_trials}", f"hydra.sweeper.n_jobs={sweep.n_trials}"]
    return ["hydra/sweeper/sampler=random", f"hydra.sweeper.sampler.seed={sweep.seed}", *counts]


OURS = "f"
ALTERNATIVES = {
    "a": Alternative(
        title="Hydra + Optuna sweeper, plain loop",
        command=start_hydra("hydra_plain.py"),
        goals={MIXED: 10, NARROW: 25},
    ),
    "b": Alternative(
        title="the same + joblib on all cores",
        command=start_hydra(
            "hydra_plain.py", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={CORES}"
        ),
        needs="hydra_plugins.hydra_joblib_launcher",
        goals={MIXED: 5, NARROW: 12},
    ),
    "c": Alternative(
        title="Optuna, fastest plain loop",
        command=start_script("optuna_plain.py"),
        goals={MIXED: 6, NARROW: 12},
    ),
    "d": Alternative(
        title="Lightning under Hydra",
        command=start_hydra("lightning_hydra.py"),
        n_trials=6,
        needs="lightning",
        goals={MIXED: 25},
    ),
    "e": Alternative(
        title="Ray Tune on all cores",
        command=start_script("ray_tune.py"),
        n_trials=32,
        needs="ray",
        goals={MIXED: 6},
    ),
    OURS: Alternative(
        title="ermlab, stacked, all cores",
        command=start_ours(CORES),
        read=read_ours,
        n_times=5,
        goals={MIXED: None, NARROW: None},
    ),
    "f1": Alternative(
        title="ermlab, stacked, one core",
        command=start_ours(1),
        read=read_ours,
        goals={MIXED: None, NARROW: None},
    ),
}
