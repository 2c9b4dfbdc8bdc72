"""Runs, sweeps and models for Python and notebooks: the files and numbers of the command line.

Results are read with `results/load.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra import compose, initialize_config_dir
from hydra._internal.execution_policy import execution_whitelist
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import run_job as run_hydra_job
from hydra.types import HydraContext, RunMode
from omegaconf import open_dict

from ermlab.cli.main import ignore_known_warnings, make_task
from ermlab.cli.surroundings import left_as_found
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.trial.targets import allowed_targets

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn


def run(
    overrides: Sequence[str] = (), *, config_dir: str | None = None, allow: Sequence[str] = ()
) -> "pd.DataFrame":
    """Train one configuration, as `ermlab OVERRIDES` does, and return its row.

    The process is left as it was: threads, logging, Hydra's state, the working directory.

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

    from ermlab.results.load import load_runs

    allowed = allowed_targets(allow)
    with _hydra(allowed):
        words = _words(overrides, config_dir)
        config = compose("config", overrides=words, return_hydra_config=True)
        with open_dict(config):
            config.hydra.mode = RunMode.RUN
        done = run_hydra_job(
            task_function=make_task(allowed),
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


def sweep(
    overrides: Sequence[str] = (), *, config_dir: str | None = None, allow: Sequence[str] = ()
) -> "pd.DataFrame":
    """Train many configurations, as `ermlab -m OVERRIDES` does, and return a row for each run.

    It is Hydra's multirun in this process, with any sweeper and launcher. The process is left as it
    was (see `run`).

    Args:
        overrides: what would be typed after `ermlab -m`, such as ["optimizer.lr=0.01,0.1"].
        config_dir: a folder of further YAML files, as --config-dir.
        allow: patterns of further `_target_`s that may be called, such as "my_pkg.*".

    Returns:
        The columns of `load_runs`, in the order of the runs.

    Raises:
        ErmlabError: a value of the configuration or the data do not fit, or all runs failed.
        HydraException: the overrides cannot be composed.
    """
    from ermlab.results.load import load_runs

    allowed = allowed_targets(allow)
    with _hydra(allowed):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None, "initialized by the block"
        words = [*_words(overrides, config_dir), "hydra.mode=MULTIRUN"]  # as -m does, for the jobs
        config = hydra.compose_config(
            "config", words, run_mode=RunMode.MULTIRUN, with_log_configuration=False
        )
        # The folder may have the time in its name, so it is fixed here to be found afterwards.
        folder = str(config.hydra.sweep.dir)
        quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
        words = [word for word in words if not word.startswith("hydra.sweep.dir=")]
        hydra.multirun("config", make_task(allowed), [*words, f"hydra.sweep.dir='{quoted}'"])
    return load_runs(Path(folder).absolute())


def load_model(
    run_dir: Path | str, *, model: str = "best", device: str = "cpu", allow: Sequence[str] = ()
) -> "nn.Module":
    """Load the trained model of a run.

    It maps standardized inputs to standardized outputs, as in training, if the run standardized
    its data; `ermlab predict` works on the numbers of a file.

    Args:
        run_dir: of a run that has ended.
        model: "best" (lowest validation loss) or "last".
        device: "auto", "cpu", "cuda" or "mps".
        allow: patterns of further `_target_`s that the configuration may call.

    Returns:
        The module in eval mode, in the dtype of the run.

    Raises:
        ErmlabError: there is no such model, or it cannot be made.
    """
    from ermlab.cli.predict import load_saved

    with left_as_found():
        return load_saved(Path(run_dir), which=model, device=device, allow=allow).module


@contextmanager
def _hydra(allowed: Sequence[str]) -> Iterator[None]:
    """Initialize Hydra with the configuration of ermlab for a while."""
    register_schemas()
    with (
        left_as_found(),
        execution_whitelist(list(allowed), reset=True),
        initialize_config_dir(config_dir=str(find_conf_dir()), job_name="ermlab"),
    ):
        ignore_known_warnings()
        yield


def _words(overrides: Sequence[str], config_dir: str | None) -> list[str]:
    if config_dir is None:
        return [*overrides]
    return [*overrides, f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"]
