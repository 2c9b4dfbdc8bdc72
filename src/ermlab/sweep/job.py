"""What is kept of a job: text and pickles of this process, so that a thousand jobs stay small.

Jobs are made in `jobs.py` and `fast_jobs.py`, and trained in `worker.py`.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from ermlab import rundir
from ermlab.sweep.job_log import JobLog
from ermlab.sweep.program import Outline
from ermlab.sweep.yaml_text import task_text


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job: where it writes, what it writes before it starts, and its configuration.

    Args:
        number: of the job in its sweep, from 0.
        overrides: those that are not Hydra's own.
        run_dir: its folder, absolute; not made yet.
        files: the text of each file that Hydra puts there, by path below the folder.
        choices: the chosen option of each config group.
        environment: variables that are set while it trains.
        log: the file that its log messages go to; None if they go to none.
        task: its configuration without the node `hydra`, pickled.
        task_file: the file of `files` that is still to be made of this; None: it is made.
        hydra: the node `hydra` alone, pickled; None where it can be composed again.
        lines: all its overrides, as they came.
        outline: what a plan of stacks knows of it.
    """

    number: int
    overrides: Sequence[str]
    run_dir: Path
    files: Mapping[str, str]
    choices: Mapping[str, str | None]
    environment: Mapping[str, str]
    log: JobLog | None
    task: bytes
    hydra: bytes | None
    lines: Sequence[str]
    outline: Outline
    task_file: str | None = None

    def task_config(self) -> DictConfig:
        """What the task gets."""
        config: DictConfig = pickle.loads(self.task)  # noqa: S301  # this process pickled it
        return config

    def write_files(self, config: DictConfig | None = None) -> None:
        """Make the folder and write Hydra's files into it.

        Args:
            config: what the task gets, where that is at hand; not changed yet.

        Raises:
            RunDirError: the folder cannot be written.
        """
        files = dict(self.files)
        if self.task_file is not None:  # here, where several processes do it at once
            files[self.task_file] = task_text(self.task_config() if config is None else config)
        write_files(self.run_dir, files)

    def mark_begun(self) -> None:
        """Leave a sign in the folder, which exists, that the job's process has begun with it."""
        path = self.run_dir / rundir.HISTORY
        with rundir.storage_errors(path):
            path.touch()

    def has_begun(self, since: float) -> bool:
        """Whether there is such a sign from after a time [seconds since the epoch]."""
        try:
            return (self.run_dir / rundir.HISTORY).stat().st_mtime >= since
        except OSError:
            return False


def write_files(run_dir: Path, files: Mapping[str, str]) -> None:
    """Make a job's folder and write Hydra's files into it.

    Raises:
        RunDirError: the folder cannot be written.
    """
    with rundir.storage_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        for folder in {(run_dir / name).parent for name in files}:
            folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (run_dir / name).write_text(text, encoding="utf-8")
