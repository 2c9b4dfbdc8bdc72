"""Hydra launcher that trains the jobs of a sweep in stacks: `hydra/launcher=stacked`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class StackConf:
    """Bounds of one stack."""

    max_trials: int = 16  # K, trials of a stack at most [1], >= 1
    max_bytes: int = (
        8_000_000  # that a step touches, rows and optimizer included [bytes]: the cache
    )


@dataclass
class StackedLauncherConf:
    """Options of the launcher; Hydra needs them also where ermlab's YAML files are not."""

    _target_: str = "ermlab.plugins.stacked_launcher.StackedLauncher"
    n_jobs: int = 1  # processes at once [1], >= 1; -1: one for each core
    backend: str = "loky"  # of joblib, for more than one process: loky | ray
    on_unstackable: str = "single"  # a trial that cannot be stacked: single | error
    stack: StackConf = field(default_factory=StackConf)


Store = ConfigStore.instance().store
Store(group="hydra/launcher", name="stacked", node=StackedLauncherConf, provider="ermlab")


class StackedLauncher(Launcher):
    """Trains ermlab's jobs in stacks, and any other task one job at a time."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra hands over."""
        from ermlab.sweep.start import prepare_launches

        self._launches = prepare_launches(hydra_context, task_function, config, **self._options)
        self.stream = self._launches.stream  # of the sweeper `study`; None for any other task

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry out a batch of jobs and return one result for each, in order."""
        return list(self._launches.launch(job_overrides, initial_job_idx))
