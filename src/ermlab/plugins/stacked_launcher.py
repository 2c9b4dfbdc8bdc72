"""Hydra launcher that trains the jobs of a sweep in stacks: `hydra/launcher=stacked`."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class StackedLauncherConf:
    """Options of the launcher; Hydra needs them also where ermlab's YAML files are not."""

    _target_: str = "ermlab.plugins.stacked_launcher.StackedLauncher"
    max_trials: int = 16  # K, trials of a stack at most [1], >= 1
    max_bytes: int = 8_000_000  # of a stack's parameters, gradients and states [bytes]: the cache
    on_unstackable: str = "single"  # a trial that cannot be stacked: single | error


ConfigStore.instance().store(
    group="hydra/launcher", name="stacked", node=StackedLauncherConf, provider="ermlab"
)


class StackedLauncher(Launcher):
    """Trains ermlab's jobs in stacks, and any other task one job at a time."""

    def __init__(self, max_trials: int, max_bytes: int, on_unstackable: str) -> None:
        self._limits = {"max_trials": max_trials, "max_bytes": max_bytes}
        self._on_unstackable = on_unstackable

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra hands over before the first launch."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry out a batch of jobs and return one result for each, in order."""
        from ermlab.sweep.launch import (  # torch, once there are jobs
            Sweep,
            launch_basic,
            launch_stacked,
        )

        hydra = Sweep(self._context, self._task, self._config, job_overrides, initial_job_idx)
        if getattr(self._task, "trials", None) is None or self._config.hydra.job.chdir:
            return launch_basic(hydra)
        return launch_stacked(hydra, on_unstackable=self._on_unstackable, **self._limits)
