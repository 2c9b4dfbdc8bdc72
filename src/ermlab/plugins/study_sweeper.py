"""Hydra sweeper that goes on after a stop and counts honestly: `hydra/sweeper=study`."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from omegaconf import MISSING, DictConfig

from ermlab.sweep.storage_url import hide_in_config


@dataclass
class StudySweeperConf(OptunaSweeperConf):
    """Options of the sweeper: those of hydra-optuna-sweeper, and ours."""

    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "none"}])
    _target_: str = "ermlab.plugins.study_sweeper.StudySweeper"
    max_failure_rate: float = 0.5  # share of n_trials that may fail [1], in [0, 1]
    replicates: int = 1  # runs of each trial, with seeds in a row [1], >= 1
    timeout: float | None = None  # after which no trial is asked for [s], > 0; null: never
    retries: int = 1  # of a run whose failure may have been passing [1], >= 0
    sweep_test: str = "winner"  # which trials read the test split: winner | all | none
    pruner: Any = MISSING  # ends trials early: any class of optuna.pruners
    refill: bool = True  # a trial begins as soon as one has ended, under hydra/launcher=stacked
    heartbeat_interval: float = 30.0  # of processes that share a storage [s], >= 1
    go_on_changed: bool = False  # whether to go on though the question has changed


Store = ConfigStore.instance().store
Store(group="hydra/sweeper", name="study", node=StudySweeperConf, provider="ermlab")
NONE = {"_target_": "optuna.pruners.NopPruner"}
Store(group="hydra/sweeper/pruner", name="none", node=NONE, provider="ermlab")


class StudySweeper(Sweeper):
    """Asks a study for trials and tells it how they ended."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra hands over before the sweep; files never get the storage's password."""
        hide_in_config(config)
        self._context, self._task, self._config = hydra_context, task_function, config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Carry out the sweep."""
        from ermlab.sweep.study_start import Hydra, sweep_study  # optuna and torch

        given = (self._context, self._task, self._config, self._launcher)
        sweep_study(Hydra(*given), self._options, arguments)
