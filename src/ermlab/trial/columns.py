"""Turns a configuration into the flat columns of a summary."""

import json
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

GROUPS = ("experiment", "data", "model", "loss", "optimizer", "loop")


def flatten_config(config: DictConfig, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Make one column for each configuration key, and one for each group's chosen option.

    Args:
        config: the composed configuration, with every interpolation resolvable.
        choices: the chosen option of each config group.

    Returns:
        Columns such as `model` (the option) and `model.hidden_units`; a list becomes JSON text.
    """
    columns: dict[str, Any] = {group: choices.get(group) for group in GROUPS}
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    for key, value in container.items():
        columns |= _flatten(str(key), value)
    return columns


def _flatten(path: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        columns: dict[str, Any] = {}
        for key, inner in value.items():
            if not str(key).startswith("_"):  # _target_ and the like: the option's name says it
                columns |= _flatten(f"{path}.{key}", inner)
        return columns
    return {path: json.dumps(value) if isinstance(value, list) else value}
