"""Reads the test split for a trained trial, after the sweep that chose it is over."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.loop.single import SingleLearner
from ermlab.trial.build import build_trial
from ermlab.trial.tracking import amend_tracking


def evaluate_best(config: DictConfig, run_dir: Path, *, allow: Sequence[str]) -> dict[str, Any]:
    """Measure the best model of a run on the test split, once, and add it to its summary.

    The tracker of the run is told as well. A run whose summary has a test loss is left as it is.

    Args:
        config: of the run, as recorded.
        run_dir: its folder, with `summary.json` and `best.safetensors`.
        allow: patterns of the targets that may be called.

    Returns:
        The columns of the summary, `test_reads` among them: how often the split was read.

    Raises:
        RunDirError: the run is not finished, or its weights are not those of its model.
    """
    summary = rundir.read_summary(run_dir)
    if summary is None:
        raise RunDirError(
            "the run is not finished, so there is no best model to test",
            where=str(run_dir),
            fix="finish the sweep first",
        )
    if summary.get("test_loss") is not None:
        return summary
    torch.set_num_threads(config.threads)
    trial = build_trial(config, allow=allow)
    if not trial.parts.data.test.n_rows:
        return summary
    weights = read_weights(run_dir)
    try:
        trial.parts.module.load_state_dict(weights)
    except RuntimeError as error:
        raise _unreadable(run_dir, error) from error
    measures = SingleLearner(trial.parts).evaluate("test", torch.ones(1, dtype=torch.bool))
    losses = {f"test_{name}": float(value) for name, value in measures.items()}
    train_loss = summary.get("train_loss")
    gap = losses["test_loss"] - float(train_loss) if train_loss is not None else math.nan
    added = {**losses, "generalization_gap": gap, "test_reads": 1}
    rundir.write_summary(run_dir, {**summary, **added})
    amend_tracking(trial.tracker, added, run_dir)
    return {**summary, **added}


def read_weights(run_dir: Path) -> dict[str, Tensor]:
    """Read the parameters and buffers of the best model of a run.

    Raises:
        RunDirError: there are none, or the file is damaged.
    """
    try:
        return load_file(run_dir / rundir.BEST)
    except (OSError, SafetensorError) as error:
        raise _unreadable(run_dir, error) from error


def _unreadable(run_dir: Path, error: Exception) -> RunDirError:
    return RunDirError(
        f"cannot read the best model: {str(error).splitlines()[0]}",
        where=str(run_dir / rundir.BEST),
        fix="train the trial again",
    )
