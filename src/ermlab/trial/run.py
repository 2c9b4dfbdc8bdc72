"""Carries out one trial with the reference learner: builds it, trains it, writes its files."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ermlab import rundir
from ermlab.config.check import check_config
from ermlab.errors import CheckpointError, ConfigError
from ermlab.lock import LEFT_BEHIND_S, locked
from ermlab.loop.check import Check, Outcome
from ermlab.loop.loop import train
from ermlab.loop.progress import Progress
from ermlab.loop.single import SingleLearner
from ermlab.trial.build import Trial, build_trial
from ermlab.trial.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    check_facts,
    early_facts,
    late_facts,
    read_checkpoint,
    restore,
)
from ermlab.trial.columns import flatten_choices, flatten_config
from ermlab.trial.files import (
    RunFiles,
    clear_run,
    write_failure,
    write_outcome,
    write_standardization,
)
from ermlab.trial.pausing import pausing
from ermlab.trial.reports import Reports
from ermlab.trial.seeding import default_dtype, seeded
from ermlab.trial.tracking import start_tracking

log = logging.getLogger(__name__)

OnCheck = Callable[[Check, int], None]


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Asks to go on from a run's checkpoint, if it has one.

    Args:
        force: whether to use one that was made with another configuration, version, device or
            data, with which the numbers are not those of an undisturbed run.
    """

    force: bool


def run_trial(
    config: DictConfig,
    *,
    run_dir: Path,
    choices: Mapping[str, str | None],
    allow: Sequence[str],
    is_sweep: bool = False,
    is_nudged: bool = False,
    on_check: OnCheck | None = None,
    report: Reports | None = None,
    resume: Resume | None = None,
) -> dict[str, Any]:
    """Train one configuration and write its run directory; Ctrl-C and SIGTERM pause a single run.

    Args:
        config: the composed configuration.
        run_dir: an existing folder to write to.
        choices: the chosen option of each config group.
        allow: patterns of the `_target_`s that may be called.
        is_sweep: whether this is a job of a multirun.
        is_nudged: whether to start one bit beside, to learn how far rounding carries the trial.
        on_check: told of every check, with the number of steps in all.
        report: asked at every check whether to train on.
        resume: whether to continue the run that is in the folder; None begins anew.

    Returns:
        The columns that `summary.json` holds.

    Raises:
        CheckpointError: the run cannot be continued; its files are as before.
        KeyboardInterrupt: Ctrl-C was pressed; `Terminated`, a kind of it, after SIGTERM.
        RunDirError: another process writes to the folder, which stays as it is.
        Exception: whatever hinders the trial, after a summary with status `failed` is written; a
            run to be continued that cannot even be built stays as it was.
    """
    with locked(run_dir, wait_s=LEFT_BEHIND_S if is_sweep else 0):
        return _carry_out(
            config,
            _Run(run_dir, resume, report),
            choices=choices,
            allow=allow,
            is_sweep=is_sweep,
            is_nudged=is_nudged,
            on_check=on_check,
        )


def _carry_out(
    config: DictConfig,
    run: "_Run",
    *,
    choices: Mapping[str, str | None],
    allow: Sequence[str],
    is_sweep: bool,
    is_nudged: bool,
    on_check: OnCheck | None,
) -> dict[str, Any]:
    began = time.perf_counter()
    columns = flatten_choices(config, choices)
    try:
        check_config(config, choices=choices, is_sweep=is_sweep)
        torch.set_num_threads(config.threads)
        trial = run.build(config, allow=allow)
        columns = flatten_config(config, choices)
        if is_nudged:
            _nudge(trial)
        with (
            seeded(config.seed, "forward", trial.device),
            nullcontext(lambda: False) if is_sweep else pausing() as pause,
        ):
            outcome = run.train(trial, pause, on_check, columns)
    except CheckpointError:
        raise
    except Exception as error:
        if not run.is_continued:
            wall_s = time.perf_counter() - began
            unwritten = write_failure(run.run_dir, columns, error, wall_s=wall_s)
            if unwritten is not None:
                log.warning("the failed run left no summary: %s", unwritten.what)
        raise
    wall_s = run.earlier_s + time.perf_counter() - began
    return write_outcome(
        run.run_dir, trial, outcome, columns,
        started_s=time.time() - wall_s, wall_s=wall_s, stack_size=1,
    )  # fmt: skip


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
    if summary.get("status") == "diverged":
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


class _Run:
    """Trains a trial in its folder, from the start or from a checkpoint.

    Args:
        run_dir: the folder.
        resume: whether to continue what is in it.
        report: asked whether the trial trains on.
    """

    def __init__(self, run_dir: Path, resume: Resume | None, report: Reports | None) -> None:
        self.run_dir = run_dir
        self._report = report
        self._resume = resume
        self._saved: Checkpoint | None = None
        self._facts: dict[str, Any] = {}
        self.is_continued = resume is not None  # until training goes on from what is there
        self.earlier_s = 0.0  # of training up to the checkpoint

    def build(self, config: DictConfig, *, allow: Sequence[str]) -> Trial:
        """Read the checkpoint, if that is asked for, and make the trial that it has to be of."""
        self._facts = early_facts(config)
        if self._resume is not None:
            self._saved = read_checkpoint(self.run_dir)
        self._check(self._facts)  # what is cheap first
        trial = build_trial(config, allow=allow)
        if self._saved is not None:
            self._check(late_facts(trial))
        return trial

    def _check(self, facts: Mapping[str, Any]) -> None:
        if self._saved is not None and self._resume is not None and not self._resume.force:
            check_facts(self._saved, facts)

    def train(
        self,
        trial: Trial,
        pause: Callable[[], bool],
        on_check: OnCheck | None,
        columns: Mapping[str, Any],
    ) -> Outcome:
        """Train, and write what belongs to it; return how it ended."""
        run_dir, plan, saved = self.run_dir, trial.plan, self._saved
        learner = SingleLearner(trial.parts, pause)
        progress = Progress(learner, [plan])
        if saved is not None:
            restore(progress, saved)
            self.earlier_s = progress.wall_s[0]
        clear_run(run_dir, is_continued=saved is not None)
        self.is_continued = False
        write_standardization(trial, run_dir)
        n_kept = 0 if saved is None else saved.n_rows
        start_tracking(trial.tracker, columns, run_dir, n_kept=n_kept)
        n_steps = plan.n_steps(trial.parts.data.train.n_rows)
        outcomes: list[Outcome] = []
        with RunFiles([run_dir], n_kept) as files:

            def record(check: Check) -> None:
                files.record(check)
                if on_check is not None:
                    on_check(check, n_steps)

            checkpoint = CheckpointWriter(
                run_dir / rundir.CHECKPOINT,
                facts=lambda: {**self._facts, **late_facts(trial)},
                every_s=getattr(plan, "checkpoint_every", None),  # a plan of the user's may lack it
                pause=pause,
                n_rows=lambda: files.n_rows(0),
            )
            with default_dtype(trial.parts.data.train.x.dtype):
                train(
                    learner,
                    [plan],
                    record=record,
                    keep=None if self._report is None else self._report.keep,
                    store=files.store,
                    finish=lambda _, outcome: outcomes.append(outcome),
                    checkpoint=checkpoint,
                    progress=progress,
                )
        return outcomes[0]
