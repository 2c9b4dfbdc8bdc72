"""Turns a configuration into the flat columns of a summary."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ermlab.config.plain import to_plain
from ermlab.rundir import flat_columns

GROUPS = ("experiment", "data", "model", "loss", "optimizer", "loop")
TRACKER = "tracker"  # a column only where there is one


def flatten_config(config: DictConfig, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Make one column for each configuration key, and one for each group's chosen option.

    Args:
        config: the composed configuration, with every interpolation resolvable.
        choices: the chosen option of each config group.

    Returns:
        Columns such as `model` (the option) and `model.hidden_units`; a list becomes JSON text.
    """
    columns: dict[str, Any] = {group: choices.get(group) for group in GROUPS}
    if choices.get(TRACKER) not in (None, "none"):
        columns[TRACKER] = choices[TRACKER]
    return {**columns, **flat_columns(to_plain(config))}


def flatten_choices(config: DictConfig, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what is known of a run whose configuration may be wrong: its options and its seed."""
    chosen = {group: choice for group, choice in choices.items() if not group.startswith("hydra")}
    if chosen.get(TRACKER) == "none":
        del chosen[TRACKER]
    # An interpolation may lead nowhere, which is told once the configuration is checked.
    leads_on = OmegaConf.is_interpolation(config, "seed")
    return {**chosen, "seed": None if leads_on else config.get("seed")}
