"""Hydra callback that ends a multirun with its table of results, however the multirun ended."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from ermlab.errors import ErmlabError

log = logging.getLogger(__name__)


class WriteResults(Callback):
    """Writes results.csv and results.parquet into the sweep directory and prints the best runs."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job, also when one of them failed."""
        from ermlab.results.sweep_table import end_sweep  # pandas takes half a second to import

        try:
            several = OmegaConf.is_list(config.objective)
            objective = config.objective[0] if several else config.objective
            end_sweep(Path(config.hydra.sweep.dir), objective=objective)
        except ErmlabError as error:
            # Hydra would turn it into a warning; the runs themselves are safe in their directories.
            log.error("the table of results was not written: %s", error)
