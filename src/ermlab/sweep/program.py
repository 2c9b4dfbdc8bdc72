"""Reads from a configuration which program a trial runs, and how much work it is.

Trials with equal names of programs may share a stack. What may differ within one is listed here;
what is not listed must be equal.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.plain import to_plain, to_unresolved
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


def read_config(config: DictConfig) -> dict[str, Any]:
    """Return a configuration's values by dotted key, `_target_` and `_args_` included."""
    try:
        plain = to_plain(config)
    except OmegaConfBaseException:
        # An interpolation that leads nowhere yet, such as to a size found in the data, stays text.
        plain = to_unresolved(config)
    return _flatten(plain, "")


def name_program(values: Mapping[str, Any]) -> str:
    """Name what must be equal within a stack.

    Args:
        values: of a trial's configuration (see `read_config`).
    """
    varies = VARIES | RULE_NUMBERS | LOOP_NUMBERS | (PADDED if _is_padded(values) else frozenset())
    fixed = {key: value for key, value in values.items() if key not in varies}
    return json.dumps(fixed, sort_keys=True, default=str)


def find_reason(values: Mapping[str, Any]) -> str | None:
    """Say why a trial cannot be in any stack, as far as its configuration tells; None if it can."""
    target = str(values.get("optimizer._target_"))
    if not (target.startswith(RULES[0]) or target in RULES[1:]):
        return f"the optimizer {target} has no stacked form"
    return None


def describe_work(values: Mapping[str, Any]) -> Work:
    """Estimate the work of a trial; sizes that only the data tell are taken as small."""
    batch_size = _size(values, "loop.batch_size", 1)
    n_rows, epochs = _size(values, "data.n_train", 1000), _size(values, "loop.epochs", 1)
    n, m = _size(values, "data.n_inputs", 10), _size(values, "data.n_outputs", 1)
    h = _size(values, "model.hidden_units", 0)
    n_layers = _size(values, "model.n_layers", 2) if h else 1
    widths = [n, *[h] * (n_layers - 1), m]
    return Work(
        n_params=sum(before * after for before, after in pairwise(widths)),
        n_layers=n_layers,
        n_values=n + 2 * m + 2 * h * (n_layers - 1),
        batch_size=batch_size,
        n_steps=_size(values, "loop.steps", epochs * -(-n_rows // batch_size)),
        item_bytes=8 if values.get("dtype") == "float64" else 4,
    )


def _size(values: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and value > 0 else otherwise


def _is_padded(values: Mapping[str, Any]) -> bool:
    ours = ("model", OUR_MODELS), ("loss", OUR_LOSSES)
    return all(str(values.get(f"{group}._target_")).startswith(name) for group, name in ours)


def _flatten(value: Any, path: str) -> dict[str, Any]:
    """Spread nested mappings over dotted keys, `_target_` and `_args_` included."""
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flatten(inner, f"{path}.{key}" if path else str(key))
    return flat
