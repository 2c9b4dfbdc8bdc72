"""Run directories for the tests of `results/`, written by `rundir` as a run writes them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ermlab import rundir

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Give a function that writes a run directory below `tmp_path`.

    `make_run("sweep/0", losses=[3.0, 2.0], seed=1)` writes a history of two rows and a summary of
    a completed run with these further columns; `is_finished=False` leaves the summary out.
    """

    def make(
        name: str, *, losses: list[float] | None = None, is_finished: bool = True, **columns: Any
    ) -> Path:
        run_dir = tmp_path / name
        run_dir.mkdir(parents=True)
        with rundir.HistoryWriter(run_dir) as history:
            for i, loss in enumerate(losses or []):
                row = {"step": 10 * i, "epoch": 0.5 * i, "train_loss": loss / 2, "valid_loss": loss}
                history.append(row | {"wall_s": 0.1 * i})
        if is_finished:
            lowest = min(losses or [math.nan])
            summary = {"status": "completed", "valid_loss": lowest, "format": rundir.FORMAT}
            rundir.write_summary(run_dir, summary | columns)
        return run_dir

    return make


@pytest.fixture
def runs() -> pd.DataFrame:
    """Give a frame as `load_runs` makes it: five runs, of which one diverged and one failed."""
    return pd.DataFrame(
        {
            "run_dir": [f"sweep/{i}" for i in range(5)],
            "model": ["two_layer", "two_layer", "linear", "two_layer", "two_layer"],
            "model.hidden_units": pd.array([8, 64, None, 64, 8], dtype="Int64"),
            "optimizer.lr": [0.1, 0.01, 0.1, 10.0, -1.0],
            "loop.stop_early": pd.array([True, False, True, None, None], dtype="boolean"),
            "seed": [0, 0, 0, 0, 0],
            "status": ["completed", "stopped_early", "completed", "diverged", "failed"],
            "train_loss": [0.5, 0.25, 0.75, 0.1, math.nan],
            "valid_loss": [0.625, 0.375, 0.875, 0.2, math.nan],
            "error": [None, None, None, None, "ConfigError: lr is -1"],
            "version_torch": ["2.13"] * 5,
        }
    )
