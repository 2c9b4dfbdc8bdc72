"""Tells the callbacks of a sweep when its jobs start and end, as Hydra's `run_job` does.

Most sweeps have none that listens; then no configuration is unpacked for them.
"""

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from ermlab.sweep.job import Job
from ermlab.sweep.jobs import JobOpener


def call_start(context: HydraContext, opener: JobOpener, job: Job, task: TaskFunction) -> None:
    """Tell the sweep's callbacks that a job starts; its folder and files are there."""
    if _has_callback(context, "on_job_start"):
        context.callbacks.on_job_start(config=_whole(opener, job), task_function=task)


def call_end(context: HydraContext, opener: JobOpener, job: Job, done: JobReturn) -> None:
    """Tell the sweep's callbacks how a job ended."""
    if _has_callback(context, "on_job_end"):
        context.callbacks.on_job_end(config=_whole(opener, job), job_return=done)


def has_start_callback(context: HydraContext) -> bool:
    """Whether some callback wants to know when a job starts."""
    return _has_callback(context, "on_job_start")


def _has_callback(context: HydraContext, name: str) -> bool:
    return any(
        getattr(type(each), name, None) is not getattr(Callback, name)
        for each in context.callbacks.callbacks
    )


def _whole(opener: JobOpener, job: Job) -> DictConfig:
    config = job.task_config()
    with read_write(config), open_dict(config):
        config["hydra"] = opener.hydra_config(job).hydra
    return config
