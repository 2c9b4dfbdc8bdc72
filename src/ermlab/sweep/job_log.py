"""The log file of one job, as Hydra's `job_logging` describes it, for jobs that share a process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from ermlab import rundir
from ermlab.sweep.job_files import read_text


@dataclass(frozen=True, kw_only=True)
class JobLog:
    """Where and how a job's messages are written.

    Args:
        path: the file.
        mode: how it is opened, "a" or "w".
        style: the format of a message, as `logging.Formatter` takes it.
        level: name of the lowest level that is written.
    """

    path: Path
    mode: str
    style: str | None
    level: str


def find_job_log(config: DictConfig) -> JobLog | None:
    """Read from a job's configuration which file its messages go to; None if they go to none.

    Args:
        config: of the job, node `hydra` included, with its output folder.
    """
    found = find_handler(config)
    if found is None:
        return None
    key, log = found
    return replace(log, path=Path(read_text(config, key)).absolute())


def find_handler(config: DictConfig) -> tuple[str, JobLog] | None:
    """Read what is the same for all jobs of a template: the key of the path, and the rest."""
    logs = config.hydra.job_logging
    root = logs.get("root") or {}
    for name in root.get("handlers") or []:
        handler = logs.handlers[name]
        if handler.get("class") != "logging.FileHandler":
            continue
        formatter = logs.get("formatters", {}).get(handler.get("formatter"), {})
        log = JobLog(
            path=Path(),
            mode=str(handler.get("mode", "a")),
            style=formatter.get("format"),
            level=str(root.get("level") or "INFO"),
        )
        return f"hydra.job_logging.handlers.{name}.filename", log
    return None


@contextmanager
def logging_to(log: JobLog | None) -> Iterator[None]:
    """Write the messages of ermlab to a job's file while the block runs.

    Raises:
        RunDirError: the file cannot be opened.
    """
    if log is None:
        yield
        return
    with rundir.storage_errors(log.path):
        handler = logging.FileHandler(log.path, mode=log.mode, encoding="utf-8")
    handler.setFormatter(logging.Formatter(log.style))
    handler.setLevel(log.level)
    ours = logging.getLogger("ermlab")
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        handler.close()
