"""Makes the model of a finished run again, from its recorded configuration and its files.

No training data are read. What the model maps is in `predict.py`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, open_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ermlab import rundir
from ermlab.config.plain import resolve
from ermlab.data.columns import Columns, describe_columns
from ermlab.data.standardize import Standardizer
from ermlab.errors import ConfigError, ErmlabError, RunDirError, name_known
from ermlab.trial.build import build_data
from ermlab.trial.device import choose_device, choose_dtype
from ermlab.trial.files import WEIGHTS
from ermlab.trial.seeding import default_dtype, seeded
from ermlab.trial.targets import make


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedModel:
    """A trained model, and what was done to the rows that it was trained on.

    Args:
        module: in eval mode, on the device and in the dtype.
        columns: what it takes and gives.
        standardizer: what is done to rows before, and undone after; None if nothing.
        dtype: of its inputs.
        device: where it is.
    """

    module: nn.Module
    columns: Columns
    standardizer: Standardizer | None
    dtype: torch.dtype
    device: torch.device


def load_saved_model(
    config: DictConfig, run_dir: Path, *, which: str, device: str, allow: Sequence[str]
) -> SavedModel:
    """Make the model of a run and give it its trained weights.

    Args:
        config: of the run, as recorded; changed in place.
        run_dir: its folder, with weights.
        which: "best" (lowest validation loss) or "last".
        device: "auto", "cpu", "cuda" or "mps".
        allow: patterns of the targets that may be called.

    Raises:
        ConfigError: there is no such model.
        RunDirError: a file of the run is missing or damaged.
        ErmlabError: the model cannot be made, such as for a `_target_` that is not allowed.
    """
    if which not in WEIGHTS:
        raise ConfigError(
            f"there is no model {which!r}",
            where="--model",
            fix=f"use one of: {name_known(WEIGHTS)}",
        )
    path = run_dir / WEIGHTS[which]
    if not path.is_file():
        raise RunDirError(
            "the run has no trained model",
            where=str(path),
            fix="name a run that has ended well; ermlab results shows the status of each",
        )
    place = choose_device(device)
    dtype = choose_dtype(config.dtype, place)
    columns, standardizer = _read_columns(config, run_dir, allow=allow)
    with open_dict(config.data):
        config.data.n_inputs, config.data.n_outputs = columns.n_inputs, columns.n_outputs
    resolve(config)
    with seeded(config.seed, "init"), default_dtype(dtype):
        module = make(config.model, key="model", allow=allow)
    try:
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError, AttributeError, SafetensorError) as error:
        raise RunDirError(
            f"the weights are not those of the model: {str(error).splitlines()[0]}",
            where=str(path),
            fix="train the trial again, with the code that the model is made of now",
        ) from error
    module.to(device=place, dtype=dtype)
    return SavedModel(
        module=module.eval(), columns=columns, standardizer=standardizer, dtype=dtype, device=place
    )


def _read_columns(
    config: DictConfig, run_dir: Path, *, allow: Sequence[str]
) -> tuple[Columns, Standardizer | None]:
    path = run_dir / rundir.COLUMNS
    if not path.exists():
        return _find_columns(config, path, allow=allow)
    saved = run_dir / rundir.STANDARDIZATION
    try:
        columns = Columns.from_dict(_read_json(path))
        return columns, Standardizer.from_dict(_read_json(saved)) if saved.exists() else None
    except RunDirError:
        raise
    except ErmlabError as error:  # it does not know the folder
        raise RunDirError(error.what, where=str(run_dir / error.where), fix=error.fix) from error


def _find_columns(
    config: DictConfig, path: Path, *, allow: Sequence[str]
) -> tuple[Columns, Standardizer | None]:
    """Find them in the training data, as for a run of an ermlab that did not write them down."""
    plan = make(config.loop, key="loop", allow=allow)
    try:
        data = build_data(
            config,
            plan=plan,
            dtype=choose_dtype(config.dtype, torch.device("cpu")),
            device=torch.device("cpu"),
            allow=allow,
        )
    except ErmlabError as error:
        raise RunDirError(
            f"the run has no {path.name}, and its data cannot be read either: {error.what}",
            where=error.where,
            fix="restore the data, or train the trial again",
        ) from error
    return describe_columns(data), data.standardizer


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(read, dict):
        raise _damaged(path, "it is not a mapping")
    return read


def _damaged(path: Path, reason: str) -> RunDirError:
    return RunDirError(
        f"cannot read what the model takes and gives: {reason}",
        where=str(path),
        fix="train the trial again, which writes the file anew",
    )
