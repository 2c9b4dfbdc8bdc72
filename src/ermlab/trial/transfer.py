"""Measures a trained model on other data, such as signals on a larger graph.

Nothing is trained: the parameters of a graph filter do not depend on the graph, so those of one fit
another. What is measured is the test split of the other data; no decision is taken from it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab import rundir
from ermlab.config.check import check_config
from ermlab.config.plain import to_unresolved
from ermlab.errors import ConfigError, RunDirError, ShapeError, name_known
from ermlab.loop.learner import Parts
from ermlab.loop.single import SingleLearner
from ermlab.trial.build import DataCache, build_trial
from ermlab.trial.final_test import read_weights

PREFIX = "transfer_"  # of the columns in the summary


def measure_transfer(
    config: DictConfig,
    run_dir: Path,
    *,
    changes: Mapping[str, Any],
    choices: Mapping[str, str | None],
    allow: Sequence[str],
    cache: DataCache | None = None,
) -> dict[str, float]:
    """Measure the best model of a run on the test split of changed data.

    Args:
        config: of the run, as recorded; changed in place.
        run_dir: its folder, with `best.safetensors`.
        changes: values by dotted key, each below `data.`.
        choices: the chosen option of each config group.
        allow: patterns of the targets that may be called.
        cache: data sets of earlier calls (see `build_trial`).

    Returns:
        "loss" and one entry for each metric of the loss; of targets that are numbers also
        "zero_loss", the loss of predicting zero, which a model must beat to be of use there.

    Raises:
        ConfigError: a change is no key or value of the data, or the rows are standardized.
        ShapeError: the parameters depend on the size of the data, so they fit no other.
        RunDirError: the weights cannot be read.
    """
    for key, value in changes.items():
        _change(config, key, value)
    if config.data.get("standardize") not in (None, "none"):
        raise ConfigError(
            f"the model was trained on rows scaled by data.standardize={config.data.standardize}, "
            "whose means and deviations are those of its own nodes",
            where=str(run_dir),
            fix="train with data.standardize=none to evaluate on other data",
        )
    check_config(config, choices=choices, is_sweep=True)
    weights = read_weights(run_dir)
    torch.set_num_threads(config.threads)
    trial = build_trial(config, allow=allow, cache=cache)
    module = trial.parts.module
    for name, value in module.state_dict().items():
        found = weights.get(name)
        if found is None or found.shape != value.shape:
            raise ShapeError(
                f"{name} was trained with the shape {None if found is None else tuple(found.shape)}"
                f", and these data need {tuple(value.shape)}",
                where=str(run_dir / rundir.BEST),
                fix="choose a model whose parameters do not depend on the size of the data: "
                "model=gnn, model=graph_filter",
            )
    module.load_state_dict(weights)
    if not trial.parts.data.test.n_rows:
        raise ConfigError(
            "there is no row to test on", where="data.n_test", fix="set data.n_test=100"
        )
    return _measure(trial.parts)


def _measure(parts: Parts) -> dict[str, float]:
    """Measure a model, and predicting zero, on the test rows."""
    measures = SingleLearner(parts).evaluate("test", torch.ones(1, dtype=torch.bool))
    found = {name: float(value) for name, value in measures.items()}
    y = parts.data.test.y
    if y.is_floating_point():
        found["zero_loss"] = float(parts.loss(torch.zeros_like(y), y))
    return found


def add_transfer(run_dir: Path, columns: Mapping[str, float]) -> None:
    """Add what was measured to the summary of a run, in the place of earlier values.

    Args:
        run_dir: of a finished run.
        columns: by name, with `PREFIX`.

    Raises:
        RunDirError: the run is not finished, or its summary cannot be written.
    """
    summary = rundir.read_summary(run_dir)
    if summary is None:
        raise RunDirError(
            "the run is not finished, so there is no trained model to transfer",
            where=str(run_dir),
            fix="finish it with `ermlab resume` first",
        )
    rundir.write_summary(run_dir, {**summary, **columns})


def _change(config: DictConfig, key: str, value: Any) -> None:
    known = [f"data.{name}" for name in to_unresolved(config)["data"] if name != "_target_"]
    if key not in known:
        raise ConfigError(
            f"{key} is not a key of the run's data",
            where=key,
            fix=f"use one of: {name_known(known)}",
        )
    try:
        OmegaConf.update(config, key, value)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"{key} cannot be {value!r}: {str(error).splitlines()[0]}",
            where=key,
            fix="give it a value of its type",
        ) from error
