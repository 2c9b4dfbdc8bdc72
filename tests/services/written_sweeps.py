"""Sweeps for the tests of pictures, and the raw numbers of their files by an independent path."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ermlab import rundir

MakeSweep = Callable[..., Path]

MULTIRUN = """\
hydra:
  sweeper:
    params:
      optimizer.lr: tag(log, interval(0.001, 10))
      loop.batch_size: range(10, 50)
    sampler:
      seed: 7
    n_trials: 6
    direction: minimize
  overrides:
    hydra:
    - hydra/sweeper=study
    - hydra.mode=MULTIRUN
    task:
    - loop.epochs=3
  runtime:
    choices:
      hydra/sweeper: study
      hydra/sweeper/sampler: tpe
      hydra/launcher: stacked
"""


@pytest.fixture
def make_sweep(tmp_path: Path, make_run: Callable[..., Path]) -> MakeSweep:
    """Give a function that writes a sweep of step sizes and batch sizes, two or three seeds each.

    The greatest step size diverges after its first validation, but for one run that is never
    finite. `make_sweep(n_seeds=1, lrs=[0.1], batches=[10])` makes a smaller one.
    """

    def make(
        name: str = "sweep",
        *,
        n_seeds: int = 3,
        lrs: tuple[float, ...] = (0.01, 0.1, 1.0),
        batches: tuple[int, ...] = (10, 40),
        **columns: Any,
    ) -> Path:
        number = 0
        for lr in lrs:
            for rows in batches:
                for seed in range(n_seeds):
                    losses = [3.0 * (1 + seed / 10) / (1 + lr * i) + rows / 100 for i in range(4)]
                    has_diverged = lr >= 1
                    if has_diverged:
                        losses = [math.nan] if seed == 1 else [losses[0], 1e20, math.nan]
                    status = "diverged" if has_diverged else "completed"
                    result = None if has_diverged else min(losses)
                    further = {
                        "status": status, "valid_loss": result, "seed": seed, "model": "mlp",
                        "model.bias": True,
                        "optimizer": "sgd", "optimizer.lr": lr, "loop": "epochs",
                        "loop.batch_size": rows, "loss": "squared_error", "wall_s": 0.5,
                        "objective": "valid_loss", "stack_size": 4, "version_torch": "2.13.0",
                        "n_parameters": 100 * rows, "test_loss": result and result + 0.125,
                    }  # fmt: skip
                    make_run(f"{name}/{number}", losses=losses, **(further | columns))
                    number += 1
        (tmp_path / name / rundir.MULTIRUN).write_text(MULTIRUN, encoding="utf-8")
        return tmp_path / name

    return make


@pytest.fixture
def raw() -> Callable[[Path], list[dict[str, Any]]]:
    """Give a function that reads each run of a sweep with nothing but json and csv."""

    def read(sweep: Path) -> list[dict[str, Any]]:
        runs = []
        for summary in sorted(sweep.glob("*/summary.json"), key=lambda path: int(path.parent.name)):
            with (summary.parent / "history.csv").open(encoding="utf-8") as file:
                history = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
            run = json.loads(summary.read_text(encoding="utf-8"))
            runs.append(run | {"history": history, "name": summary.parent.name})
        return runs

    return read
