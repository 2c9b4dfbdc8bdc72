"""Carries out one trial: builds it, trains it, and writes its run directory."""

import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from safetensors.torch import save

from ermlab import rundir
from ermlab.config.check import check_config
from ermlab.errors import ErmlabError, describe_error
from ermlab.loop.learner import Learner
from ermlab.loop.loop import Check, Outcome, train
from ermlab.loop.single import SingleLearner
from ermlab.trial.build import Trial, build_trial
from ermlab.trial.columns import flatten_config
from ermlab.trial.provenance import find_git_sha, find_versions
from ermlab.trial.seeding import seeded

log = logging.getLogger(__name__)

WEIGHTS = {"best": rundir.BEST, "last": rundir.LAST}

OnCheck = Callable[[Check, int], None]


def run_trial(
    config: DictConfig,
    *,
    run_dir: Path,
    choices: Mapping[str, str | None],
    allow: Sequence[str],
    is_sweep: bool = False,
    on_check: OnCheck | None = None,
) -> dict[str, Any]:
    """Train one configuration and write its run directory.

    Args:
        config: the composed configuration.
        run_dir: an existing folder to write to.
        choices: the chosen option of each config group.
        allow: patterns of the `_target_`s that may be called.
        is_sweep: whether this is a job of a multirun.
        on_check: told of every check, with the number of steps in all.

    Returns:
        The columns that `summary.json` holds.

    Raises:
        Exception: whatever hinders the trial, after a summary with status `failed` is written.
    """
    began = time.perf_counter()
    columns = {**flatten_choices(choices), "seed": config.get("seed")}
    try:
        check_config(config, choices=choices, is_sweep=is_sweep)
        torch.set_num_threads(config.threads)
        trial = build_trial(config, allow=allow)
        columns = flatten_config(config, choices)
        with seeded(config.seed, "forward", trial.device):
            outcome = _train(trial, run_dir, on_check)
    except Exception as error:
        _write_failure(run_dir, columns, error, began)
        raise
    summary = {
        **_head(outcome.status, began),
        **_losses(outcome),
        "n_parameters": trial.n_parameters,
        **columns,
        "device": trial.device.type,
        "stack_size": 1,
        "error": None,
        **_provenance(),
    }
    rundir.write_summary(run_dir, summary)
    return summary


def objective_value(summary: Mapping[str, Any], objective: str) -> float:
    """Return the number that a sweep optimizes.

    Args:
        summary: the columns of a finished run.
        objective: the column, such as "valid_loss".

    Returns:
        The value; for a run that diverged the worst there is, inf for a loss and -inf for an
        accuracy, so that a sampler learns to avoid its region.
    """
    worst = float("-inf") if objective.endswith("accuracy") else float("inf")
    value = summary.get(objective)
    if summary["status"] == "diverged" or value is None or value != value:
        return worst
    return float(value)


def _train(trial: Trial, run_dir: Path, on_check: OnCheck | None) -> Outcome:
    learner = SingleLearner(trial.parts)
    n_steps = trial.plan.n_steps(trial.parts.data.train.n_rows)
    if trial.parts.data.standardizer is not None:
        rundir.write_json(run_dir / rundir.STANDARDIZATION, trial.parts.data.standardizer.to_dict())
    with rundir.HistoryWriter(run_dir) as history:

        def record(check: Check) -> None:
            history.append(_row(check))
            if on_check is not None:
                on_check(check, n_steps)

        def store(name: str, trained: Learner) -> None:
            rundir.write_bytes(run_dir / WEIGHTS[name], save(_on_cpu(trained)))

        (outcome,) = train(learner, [trial.plan], record=record, keep=None, store=store)
    return outcome


def _on_cpu(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: value.cpu().contiguous() for name, value in learner.weights(0).items()}


def _row(check: Check) -> dict[str, float]:
    values = {name: float(value[0]) for name, value in check.values.items()}
    epoch = round(float(check.epoch[0]), 6)
    return {"step": check.step, "epoch": epoch, **values, "wall_s": round(check.wall_s, 6)}


def _losses(outcome: Outcome) -> dict[str, Any]:
    values = dict(outcome.values)
    head = ("train_loss", "valid_loss", "test_loss", "test_loss_last")
    losses: dict[str, Any] = {name: values.pop(name, None) for name in head}
    test, train = losses["test_loss"], losses["train_loss"]
    gap = None if test is None or train is None else test - train
    return {
        **losses,
        "generalization_gap": gap,
        **values,
        "best_step": outcome.best_step,
        "steps": outcome.steps,
        "epochs": round(outcome.epochs, 6),
    }


def flatten_choices(choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the chosen options as columns, for a run that failed before its values were known."""
    return {group: choice for group, choice in choices.items() if not group.startswith("hydra")}


def _head(status: str, began: float) -> dict[str, Any]:
    return {"status": status, "wall_s": round(time.perf_counter() - began, 6)}


def _provenance() -> dict[str, Any]:
    return {
        "git_sha": find_git_sha(os.getcwd()),  # noqa: PTH109  # a cache key, so a plain string
        **find_versions(),
        "format": rundir.FORMAT,
    }


def _write_failure(
    run_dir: Path, columns: Mapping[str, Any], error: Exception, began: float
) -> None:
    """Leave a row with status `failed`; if even that cannot be written, the log says so."""
    summary = {
        **_head("failed", began),
        **columns,
        "stack_size": 1,
        "error": describe_error(error),
        **_provenance(),
    }
    try:
        rundir.write_whole(run_dir / rundir.TRACEBACK, "".join(traceback.format_exception(error)))
        rundir.write_summary(run_dir, summary)
    except ErmlabError as unwritten:
        log.warning("the failed run left no summary: %s", unwritten.what)
