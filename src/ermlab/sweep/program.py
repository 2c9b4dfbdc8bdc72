"""Reads from a configuration which program a trial runs, and how much work it is.

Trials with equal names of programs may share a stack. What may differ within one is listed here;
what is not listed must be equal.
"""

import json
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.sweep.cost import Work

RULES = ("ermlab.optimizer.rules.", "torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW")
OUR_MODELS = "ermlab.model."
OUR_LOSSES = "ermlab.objective."

VARIES = frozenset({"seed", "data.seed", "objective", "plot"})  # per trial, in any stack
RULE_NUMBERS = frozenset(
    f"optimizer.{name}"
    for name in ("lr", "weight_decay", "momentum", "nesterov", "beta1", "beta2", "betas", "eps")
)
LOOP_NUMBERS = frozenset(
    f"loop.{name}" for name in ("steps", "epochs", "validate_every", "record_every", "patience")
)
PADDED = frozenset({"model.hidden_units", "loop.batch_size"})  # with our models and losses only


def name_program(config: DictConfig, choices: Mapping[str, str | None]) -> str:
    """Name what must be equal within a stack.

    Args:
        config: the configuration of a trial.
        choices: its chosen options; the names of experiment and sweep do not count.
    """
    values = _flatten(_plain(config), "")
    varies = VARIES | RULE_NUMBERS | LOOP_NUMBERS | (PADDED if _is_padded(config) else frozenset())
    fixed = {key: value for key, value in values.items() if key not in varies}
    return json.dumps(fixed, sort_keys=True, default=str)


def find_reason(config: DictConfig) -> str | None:
    """Say why a trial cannot be in any stack, as far as its configuration tells; None if it can."""
    target = _target(config, "optimizer")
    if not (target.startswith(RULES[0]) or target in RULES[1:]):
        return f"the optimizer {target} has no stacked form"
    return None


def describe_work(config: DictConfig) -> Work:
    """Estimate the work of a trial; sizes that only the data tell are taken as small."""
    batch_size = int(OmegaConf.select(config, "loop.batch_size") or 1)
    n_train = OmegaConf.select(config, "data.n_train")
    n_rows = n_train if isinstance(n_train, int) else 1000
    epochs = OmegaConf.select(config, "loop.epochs")
    steps = OmegaConf.select(config, "loop.steps")
    n_steps = int(steps) if steps else int(epochs or 1) * -(-n_rows // batch_size)
    return Work(
        n_params=_count_params(config),
        batch_size=batch_size,
        n_steps=max(1, n_steps),
        item_bytes=8 if config.dtype == "float64" else 4,
    )


def _count_params(config: DictConfig) -> int:
    n = int(OmegaConf.select(config, "data.n_inputs") or 10)
    m = int(OmegaConf.select(config, "data.n_outputs") or 1)
    h = OmegaConf.select(config, "model.hidden_units")
    n_layers = int(OmegaConf.select(config, "model.n_layers") or 2)
    if h is None or n_layers == 1:
        return n * m
    return n * int(h) + (n_layers - 2) * int(h) ** 2 + int(h) * m


def _is_padded(config: DictConfig) -> bool:
    ours = (_target(config, "model"), OUR_MODELS), (_target(config, "loss"), OUR_LOSSES)
    return all(target.startswith(package) for target, package in ours)


def _target(config: DictConfig, group: str) -> str:
    return str(OmegaConf.select(config, f"{group}._target_"))


def _plain(config: DictConfig) -> Any:
    try:
        return OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException:
        # One that leads nowhere yet, such as a size found in the data, stays as text.
        return OmegaConf.to_container(config, resolve=False)


def _flatten(value: Any, path: str) -> dict[str, Any]:
    """Spread nested mappings over dotted keys, `_target_` and `_args_` included."""
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flatten(inner, f"{path}.{key}" if path else str(key))
    return flat
