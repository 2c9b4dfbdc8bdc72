"""Carries out one trial with the reference learner: builds it, trains it, writes its files."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ermlab.config.check import check_config
from ermlab.errors import ConfigError
from ermlab.loop.loop import Check, Outcome, train
from ermlab.loop.single import SingleLearner
from ermlab.trial.build import Trial, build_trial
from ermlab.trial.columns import flatten_choices, flatten_config
from ermlab.trial.files import (
    RunFiles,
    clear_run,
    write_failure,
    write_outcome,
    write_standardization,
)
from ermlab.trial.seeding import default_dtype, seeded

log = logging.getLogger(__name__)

OnCheck = Callable[[Check, int], None]


def run_trial(
    config: DictConfig,
    *,
    run_dir: Path,
    choices: Mapping[str, str | None],
    allow: Sequence[str],
    is_sweep: bool = False,
    is_nudged: bool = False,
    on_check: OnCheck | None = None,
) -> dict[str, Any]:
    """Train one configuration and write its run directory.

    Args:
        config: the composed configuration.
        run_dir: an existing folder to write to.
        choices: the chosen option of each config group.
        allow: patterns of the `_target_`s that may be called.
        is_sweep: whether this is a job of a multirun.
        is_nudged: whether to start one bit beside, to learn how far rounding carries the trial.
        on_check: told of every check, with the number of steps in all.

    Returns:
        The columns that `summary.json` holds.

    Raises:
        Exception: whatever hinders the trial, after a summary with status `failed` is written.
    """
    began = time.perf_counter()
    columns = flatten_choices(config, choices)
    try:
        check_config(config, choices=choices, is_sweep=is_sweep)
        torch.set_num_threads(config.threads)
        trial = build_trial(config, allow=allow)
        columns = flatten_config(config, choices)
        if is_nudged:
            _nudge(trial)
        with seeded(config.seed, "forward", trial.device):
            outcome = _train(trial, run_dir, on_check)
    except Exception as error:
        unwritten = write_failure(run_dir, columns, error, wall_s=time.perf_counter() - began)
        if unwritten is not None:
            log.warning("the failed run left no summary: %s", unwritten.what)
        raise
    wall_s = time.perf_counter() - began
    return write_outcome(run_dir, trial, outcome, columns, wall_s=wall_s, stack_size=1)


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
    if summary["status"] == "diverged":
        return worst
    value = summary.get(objective)
    if value is None:
        raise ConfigError(
            f"the objective is {objective}, which this run did not measure",
            where="objective",
            fix="set objective to a loss that the loop measures: valid_loss, or train_loss",
        )
    return float(value) if value == value else worst


@torch.no_grad()
def _nudge(trial: Trial) -> None:
    """Move the parameters and the training inputs by the last bit of each number."""
    # The inputs as well: a model that starts from zeros has no bit to move in its parameters.
    for values in (*trial.parts.module.parameters(), trial.parts.data.train.x):
        if values.is_floating_point():
            values.mul_(1 + torch.finfo(values.dtype).eps)


def _train(trial: Trial, run_dir: Path, on_check: OnCheck | None) -> Outcome:
    clear_run(run_dir)
    write_standardization(trial, run_dir)
    n_steps = trial.plan.n_steps(trial.parts.data.train.n_rows)
    with RunFiles([run_dir]) as files:

        def record(check: Check) -> None:
            files.record(check)
            if on_check is not None:
                on_check(check, n_steps)

        learner = SingleLearner(trial.parts)
        with default_dtype(trial.parts.data.train.x.dtype):
            (outcome,) = train(learner, [trial.plan], record=record, keep=None, store=files.store)
    return outcome
