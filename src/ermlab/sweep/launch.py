"""Carries out the jobs of a multirun: composes them, divides them into stacks, trains these.

Each job gets what Hydra's basic launcher gives it: its folder, its `.hydra` files, its callbacks
and a JobReturn. Only the training is shared.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import (
    JobReturn,
    JobStatus,
    configure_log,
    filter_overrides,
    run_job,
    setup_globals,
)
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ermlab.errors import ConfigError, StackError
from ermlab.sweep.groups import Group, plan_groups
from ermlab.sweep.trials import Trials
from ermlab.trial.build import DataCache
from ermlab.trial.stack_run import Result, TrialTask, run_trials

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """What Hydra hands to a launcher: its context, the task, the configuration, and the jobs.

    Args:
        context: of the sweep.
        task: what each job calls.
        config: of the sweep.
        overrides: those of each job.
        first: number of the first job.
    """

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    overrides: Sequence[Sequence[str]]
    first: int


def launch_basic(sweep: Sweep) -> Sequence[JobReturn]:
    """Carry out jobs one at a time, as Hydra's basic launcher does."""
    launcher = BasicLauncher()
    launcher.setup(hydra_context=sweep.context, task_function=sweep.task, config=sweep.config)
    return launcher.launch(sweep.overrides, initial_job_idx=sweep.first)


def launch_stacked(
    sweep: Sweep, *, max_trials: int, max_bytes: int, on_unstackable: str
) -> list[JobReturn]:
    """Carry out jobs in stacks.

    Args:
        sweep: its task is ermlab's, with an attribute `trials`.
        max_trials: K at most, >= 1.
        max_bytes: memory of a stack at most [bytes].
        on_unstackable: "single" trains such a trial alone; "error" refuses the launch.

    Returns:
        One result for each job, in order.

    Raises:
        StackError: a trial cannot be stacked and `on_unstackable` is "error".
    """
    trials: Trials = sweep.task.trials  # type: ignore[attr-defined]  # the plugin has looked
    _check_options(max_trials, on_unstackable)
    setup_globals()
    _log_as_hydra(sweep)
    Path(str(sweep.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    log.info("Launching %d jobs in stacks", len(sweep.overrides))
    jobs = [_prepare(sweep, each, n) for n, each in enumerate(sweep.overrides, sweep.first)]
    groups = plan_groups(
        [task.config for task, _ in jobs],
        [task.choices for task, _ in jobs],
        max_trials=max_trials,
        max_bytes=max_bytes,
    )
    _tell_reasons(groups, sweep.first, on_unstackable)
    cache: DataCache = {}
    for group in groups:
        tasks = [jobs[member][0] for member in group.members]
        results = run_trials(tasks, allow=trials.allow, cache=cache)
        for member, result in zip(group.members, results, strict=True):
            _conclude(*jobs[member], result, trials)
    return [job for _, job in jobs]


def _log_as_hydra(sweep: Sweep) -> None:
    hydra, allowed = sweep.config.hydra, sweep.context.execution_whitelist
    configure_log(hydra.hydra_logging, hydra.verbose, execution_whitelist=allowed)


def _prepare(sweep: Sweep, overrides: Sequence[str], number: int) -> tuple[TrialTask, JobReturn]:
    """Let Hydra make a job's folder and files, and take its configuration instead of training."""
    log.info("\t#%d : %s", number, " ".join(filter_overrides(overrides)))
    job_config = sweep.context.config_loader.load_sweep_config(sweep.config, list(overrides))
    with open_dict(job_config):
        job_config.hydra.job.id, job_config.hydra.job.num = str(number), number
    taken: list[TrialTask] = []

    def take(task_config: DictConfig) -> None:
        runtime = HydraConfig.get().runtime
        run_dir, choices = Path(runtime.output_dir), dict(runtime.choices)
        taken.append(TrialTask(config=task_config, run_dir=run_dir, choices=choices))

    job = run_job(
        hydra_context=sweep.context,
        task_function=take,
        config=job_config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        configure_logging=False,
    )
    _ = job.return_value  # raises what kept Hydra from making the folder
    return taken[0], job


def _conclude(task: TrialTask, job: JobReturn, result: Result, trials: Trials) -> None:
    if isinstance(result, Exception):
        job.status, job.return_value = JobStatus.FAILED, result
        log.info("\t%s: failed", task.run_dir.name)
    else:
        job.return_value = trials.finish(task.config, task.run_dir, result)


def _tell_reasons(groups: Sequence[Group], first: int, on_unstackable: str) -> None:
    for group in groups:
        if group.reason is None:
            continue
        told = f"job {first + group.members[0]} is not stacked: {group.reason}"
        if on_unstackable == "error":
            raise StackError(
                told,
                where="hydra.launcher.on_unstackable",
                fix="set hydra.launcher.on_unstackable=single to train such jobs one by one",
            )
        log.info("\t%s", told)


def _check_options(max_trials: int, on_unstackable: str) -> None:
    if max_trials < 1:
        raise ConfigError(
            f"hydra.launcher.max_trials is {max_trials}, but must be >= 1",
            where="hydra.launcher.max_trials",
            fix="set it to 1 or more",
        )
    if on_unstackable not in ("single", "error"):
        raise ConfigError(
            f"hydra.launcher.on_unstackable is {on_unstackable}, but must be single or error",
            where="hydra.launcher.on_unstackable",
            fix="use one of: single, error",
        )
