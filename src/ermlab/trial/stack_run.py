"""Carries out several trials at once as a stack, or one by one where that cannot be."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ermlab.config.check import check_config
from ermlab.errors import ErmlabError, RunDirError, StackError, describe_error
from ermlab.loop.loop import Check, train
from ermlab.trial.build import DataCache, Trial, build_trial
from ermlab.trial.columns import flatten_choices, flatten_config
from ermlab.trial.files import (
    RunFiles,
    clear_run,
    write_failure,
    write_outcome,
    write_standardization,
)
from ermlab.trial.run import run_trial
from ermlab.trial.seeding import default_dtype
from ermlab.trial.stack import stack_trials

log = logging.getLogger(__name__)

Result = dict[str, Any] | Exception


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One trial to carry out: its configuration, an existing folder, its chosen options."""

    config: DictConfig
    run_dir: Path
    choices: Mapping[str, str | None]


def run_trials(
    tasks: Sequence[TrialTask],
    *,
    allow: Sequence[str],
    alone: bool = False,
    on_unstackable: str = "single",
    on_check: Callable[[Check], None] | None = None,
    cache: DataCache | None = None,
) -> list[Result]:
    """Train some trials of a sweep in one stack and write their run directories.

    A trial whose configuration is wrong becomes a row with status `failed`; the others train. Where
    the trials turn out not to stack, the reference learner trains each, and the log says why.

    Args:
        tasks: the trials.
        allow: patterns of the `_target_`s that may be called.
        alone: whether the reference learner trains each from the start.
        on_unstackable: "single", or "error": trials that do not stack fail with the reason.
        on_check: told of every check of the stack.
        cache: data sets of earlier calls, by configuration; added to.

    Returns:
        For each task the columns of its summary, or the exception that ended it.
    """
    if alone:
        return [_run_alone(task, allow, on_check) for task in tasks]
    cache = {} if cache is None else cache
    results: dict[int, Result] = {}
    built: dict[int, Trial] = {}
    began = time.perf_counter()
    for index, task in enumerate(tasks):
        try:
            built[index] = _build(task, allow=allow, cache=cache)
        except Exception as error:  # noqa: BLE001  # the row of this trial tells it
            results[index] = _fail(task, error, time.perf_counter() - began)
    chosen = {index: tasks[index] for index in built}
    try:
        results |= _run_stack(chosen, built, began, on_check)
    except RunDirError as error:  # the disk: training again would not mend it
        results |= {index: _fail(task, error, 0.0) for index, task in chosen.items()}
    except Exception as error:  # noqa: BLE001  # the reference learner finds out whose it is
        if on_unstackable == "error" and isinstance(error, StackError):
            results |= {index: _fail(task, error, 0.0) for index, task in chosen.items()}
        else:
            log.info("\ttrained one by one, not in a stack: %s", describe_error(error))
            results |= {i: _run_alone(task, allow, on_check) for i, task in chosen.items()}
    return [results[index] for index in range(len(tasks))]


def _build(task: TrialTask, *, allow: Sequence[str], cache: DataCache) -> Trial:
    check_config(task.config, choices=task.choices, is_sweep=True)
    torch.set_num_threads(task.config.threads)
    return build_trial(task.config, allow=allow, cache=cache)


def _run_stack(
    tasks: Mapping[int, TrialTask],
    trials: Mapping[int, Trial],
    began: float,
    on_check: Callable[[Check], None] | None,
) -> dict[int, Result]:
    if not tasks:
        return {}
    learner = stack_trials([trials[index].parts for index in tasks])
    plans = [trials[index].plan for index in tasks]
    run_dirs = [task.run_dir for task in tasks.values()]
    for index, task in tasks.items():
        clear_run(task.run_dir)
        write_standardization(trials[index], task.run_dir)
    with RunFiles(run_dirs) as files:

        def record(check: Check) -> None:
            files.record(check)
            if on_check is not None:
                on_check(check)

        dtype = trials[next(iter(tasks))].parts.data.train.x.dtype
        with default_dtype(dtype):
            outcomes = train(learner, plans, record=record, keep=None, store=files.store)
    share_s = (time.perf_counter() - began) / len(tasks)
    results: dict[int, Result] = {}
    for (index, task), outcome in zip(tasks.items(), outcomes, strict=True):
        try:
            results[index] = write_outcome(
                task.run_dir,
                trials[index],
                outcome,
                flatten_config(task.config, task.choices),
                wall_s=share_s,
                stack_size=len(tasks),
            )
        except RunDirError as error:  # of this folder; the others keep their rows
            results[index] = _fail(task, error, share_s)
    return results


def _run_alone(
    task: TrialTask, allow: Sequence[str], on_check: Callable[[Check], None] | None
) -> Result:
    try:
        return run_trial(
            task.config,
            run_dir=task.run_dir,
            choices=task.choices,
            allow=allow,
            is_sweep=True,
            on_check=None if on_check is None else lambda check, n_steps: on_check(check),
        )
    except Exception as error:  # noqa: BLE001  # already a row with status `failed`
        return error


def _fail(task: TrialTask, error: Exception, wall_s: float) -> Exception:
    columns = flatten_choices(task.config, task.choices)
    unwritten: ErmlabError | None = write_failure(task.run_dir, columns, error, wall_s=wall_s)
    if unwritten is not None:
        log.warning("a failed run left no summary: %s", unwritten.what)
    return error
