"""The single run for Python and notebooks: the same configuration, files and numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import run_job as run_hydra_job
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, open_dict

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.trial.targets import allowed_targets

if TYPE_CHECKING:
    import pandas as pd


def run(
    overrides: Sequence[str] = (), *, config_dir: str | None = None, allow: Sequence[str] = ()
) -> "pd.DataFrame":
    """Train one configuration, as `ermlab OVERRIDES` does, and return its row.

    Args:
        overrides: what would be typed on the command line, such as ["optimizer.lr=0.01"].
        config_dir: a folder of further YAML files, as --config-dir.
        allow: patterns of further `_target_`s that may be called, such as "my_pkg.*".

    Returns:
        One row, the columns of `summary.json` and `run_dir` (see `load_runs`).

    Raises:
        ErmlabError: a value of the configuration or the data do not fit.
        HydraException: the overrides cannot be composed.
    """
    from hydra._internal.callbacks import Callbacks

    from ermlab.cli.job import run_job
    from ermlab.results.load import load_runs

    allowed = allowed_targets(allow)
    register_schemas()
    words = [*overrides]
    if config_dir is not None:
        words.append(f"hydra.searchpath=[file://{config_dir}]")
    with initialize_config_dir(config_dir=str(find_conf_dir())):
        config = compose("config", overrides=words, return_hydra_config=True)
        with open_dict(config):
            config.hydra.mode = RunMode.RUN

        def task(job_config: DictConfig) -> object:
            return run_job(job_config, allow=allowed)

        done = run_hydra_job(
            task_function=task,
            config=config,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            hydra_context=HydraContext(
                config_loader=GlobalHydra.instance().config_loader(),
                callbacks=Callbacks(),
                execution_whitelist=list(allowed),
            ),
            configure_logging=False,
        )
    _ = done.return_value  # raises what the job raised
    assert done.hydra_cfg is not None, "Hydra sets it before the job starts"
    return load_runs(done.hydra_cfg.hydra.runtime.output_dir)
