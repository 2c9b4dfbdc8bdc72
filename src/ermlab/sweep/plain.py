"""Carries out the jobs of any task one at a time, as Hydra's basic launcher does, in less time.

Each job is what `run_job` of Hydra makes of it: the same folder, files, log, callbacks, environment
and JobReturn. Only composing and copying the configuration take less time. Hydra's own suites for
launchers are run on it.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra._internal.execution_policy import execution_whitelist
from hydra.core.utils import (
    JobReturn,
    JobRuntime,
    JobStatus,
    _flush_loggers,
    _log_job_error_to_file,
    configure_log,
    env_override,
    filter_overrides,
    setup_globals,
)
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ermlab import rundir
from ermlab.sweep.job import write_files
from ermlab.sweep.jobs import (
    Composed,
    JobOpener,
    as_hydra_config,
    task_overrides,
)
from ermlab.sweep.nodes import copy_node, split_hydra

log = logging.getLogger(__name__)


class PlainLaunches:
    """The launches of one sweep, one job at a time.

    Args:
        context: of the sweep.
        task: what each job calls.
        config: of the sweep.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        setup_globals()
        self._context, self._task, self._config = context, task, config
        self._opener = JobOpener(context, config)

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Carry out jobs and return one result for each, in order."""
        start_launch(self._context, self._config)
        log.info("Launching %d jobs locally", len(overrides))
        returns = []
        for number, words in enumerate(overrides, first):
            log.info("\t#%d : %s", number, " ".join(filter_overrides(words)))
            composed = self._opener.compose(number, words)
            with execution_whitelist(self._context.execution_whitelist, reset=True):
                returns.append(self._run(composed))
            log_as_hydra(self._context, self._config)
        return returns

    def _run(self, job: Composed) -> JobReturn:
        hydra = job.config.hydra
        task_view, hydra_view = split_hydra(job.config)
        done = JobReturn(
            cfg=copy_node(task_view, None),
            hydra_cfg=copy_node(hydra_view, None),
            overrides=task_overrides(hydra),
            task_name=JobRuntime.instance().get("name"),
        )
        write_files(job.run_dir, job.files)
        with as_hydra_config(job.config), _folder(job.run_dir if hydra.job.chdir else Path.cwd()):
            done.working_dir = str(Path.cwd())
            configure_log(
                hydra.job_logging,
                hydra.verbose,
                execution_whitelist=self._context.execution_whitelist,
            )
            with env_override(dict(hydra.job.env_set)):
                self._call(job.config, done)
        return done

    def _call(self, config: DictConfig, done: JobReturn) -> None:
        callbacks = self._context.callbacks
        try:
            callbacks.on_job_start(config=config, task_function=self._task)
            try:
                done.return_value = self._task(done.cfg)
                done.status = JobStatus.COMPLETED
            except Exception as error:  # noqa: BLE001  # the sweeper decides what it means
                done.status, done.return_value = JobStatus.FAILED, error
                _log_job_error_to_file()
        except BaseException as error:  # Ctrl-C: the callbacks are told, and the sweep ends
            done.status, done.return_value = JobStatus.FAILED, error
            raise
        finally:
            _flush_loggers()
            callbacks.on_job_end(config=config, job_return=done)


def start_launch(context: HydraContext, config: DictConfig) -> None:
    """Do what comes before the jobs of a launch: the log, and the folder of the sweep."""
    log_as_hydra(context, config)
    sweep_dir = Path(str(config.hydra.sweep.dir))
    with rundir.storage_errors(sweep_dir):
        sweep_dir.mkdir(parents=True, exist_ok=True)


def log_as_hydra(context: HydraContext, config: DictConfig) -> None:
    """Log as the sweep does, not as one of its jobs."""
    allowed = context.execution_whitelist
    configure_log(config.hydra.hydra_logging, config.hydra.verbose, execution_whitelist=allowed)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
