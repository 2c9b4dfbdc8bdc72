"""Hydra callback that ends a multirun with its table of results, however the multirun ended."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class WriteResults(Callback):
    """Writes results.csv and results.parquet into the sweep directory and prints the best runs."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job, also when one of them failed."""
        from ermlab.results.sweep_table import end_sweep  # pandas takes half a second to import

        end_sweep(Path(config.hydra.sweep.dir), objective=config.objective)
