"""Reads from a configuration which program a trial runs, and how much work it is.

Trials with equal names of programs may share a stack. What may differ within one is listed here;
what is not listed must be equal.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.plain import to_plain, to_unresolved
from ermlab.sweep.cost import Work

RULES = ("ermlab.optimizer.rules.", "torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW")
OUR_MODELS = "ermlab.model."
GRAPH_FILTERS = ("ermlab.model.gnn.", "ermlab.model.graph_filter.")
LAYERS_OF_OTHERS = "ermlab.model.geometric."  # ours around theirs, of which nothing is known
OUR_LOSSES = "ermlab.objective."

VARIES = frozenset({"seed", "data.seed", "objective", "plot"})  # per trial, in any stack
RULE_NUMBERS = frozenset(
    f"optimizer.{name}"
    for name in ("lr", "weight_decay", "momentum", "nesterov", "beta1", "beta2", "betas", "eps")
)
LOOP_NUMBERS = frozenset(
    f"loop.{name}" for name in ("steps", "epochs", "validate_every", "record_every", "patience")
)
PADDED = frozenset(  # with our models and losses only
    {"loop.batch_size"}
    | {f"model.{name}" for name in ("hidden_units", "taps", "features", "readout_taps")}
)
SMALLEST_SPARSE = 10_000  # nodes of a graph that is kept sparse unless model.sparse=false


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What a plan of stacks knows of a trial.

    Args:
        program: trials with equal ones may share a stack.
        work: what it has to do.
        reason: why it cannot be in any stack; None if it can.
    """

    program: str
    work: Work
    reason: str | None


def make_outline(config: DictConfig, environment: Mapping[str, str]) -> Outline:
    """Read the outline of a trial.

    Args:
        config: its configuration, as composed.
        environment: the variables that are set while it trains.
    """
    values = read_config(config)
    program = f"{name_program(values)} {sorted(environment.items())}"
    return Outline(
        program=sys.intern(program), work=describe_work(values), reason=find_reason(values)
    )


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
    is_large = _size(values, "data.n_nodes", 1) >= SMALLEST_SPARSE
    is_sparse = values.get("model.sparse")
    if _has_filters(values) and (is_large if is_sparse is None else is_sparse):
        return "its graph is kept sparse, for which there is no stacked product"
    return None


def describe_work(values: Mapping[str, Any]) -> Work:
    """Estimate the work of a trial; sizes that only the data tell are taken as small."""
    n, m = _size(values, "data.n_inputs", 10), _size(values, "data.n_outputs", 1)
    if _has_filters(values):
        return _describe_filters(values)
    h = _size(values, "model.hidden_units", 0)
    n_layers = _size(values, "model.n_layers", 2) if h else 1
    widths = [n, *[h] * (n_layers - 1), m]
    return Work(
        n_params=sum(before * after for before, after in pairwise(widths)),
        n_layers=n_layers,
        n_values=n + 2 * m + 2 * h * (n_layers - 1),
        **_describe_loop(values),
    )


def _describe_filters(values: Mapping[str, Any]) -> Work:
    """Estimate the work of graph filters on dense graphs: for each node of a row and each layer."""
    n_nodes = _size(values, "data.n_nodes", _size(values, "data.n_inputs", 10))
    first, last = (
        _size(values, f"data.n_{key}", n_nodes) // n_nodes for key in ("inputs", "outputs")
    )
    n_hidden = _size(values, "model.n_layers", 2) - 1
    widths = [first, *[_size(values, "model.features", 1)] * n_hidden, last]
    taps = [_size(values, "model.taps", 1)] * n_hidden + [_size(values, "model.readout_taps", 1)]
    layers = list(zip(taps, pairwise(widths), strict=True))
    n_params = sum(k * before * after for k, (before, after) in layers)
    n_shifts = sum((k - 1) * before for k, (before, _) in layers)
    return Work(
        n_params=n_params,
        n_layers=sum(taps),  # a shift costs about as many calls as a layer
        n_values=n_nodes * sum(2 * k * before + 2 * after for k, (before, after) in layers),
        n_products=n_nodes * (n_params + n_nodes * n_shifts) - n_params,
        **_describe_loop(values),
    )


def _describe_loop(values: Mapping[str, Any]) -> dict[str, int]:
    batch_size = _size(values, "loop.batch_size", 1)
    n_rows, epochs = _size(values, "data.n_train", 1000), _size(values, "loop.epochs", 1)
    return {
        "batch_size": batch_size,
        "n_steps": _size(values, "loop.steps", epochs * -(-n_rows // batch_size)),
        "item_bytes": 8 if values.get("dtype") == "float64" else 4,
    }


def _size(values: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and value > 0 else otherwise


def _is_padded(values: Mapping[str, Any]) -> bool:
    ours = ("model", OUR_MODELS), ("loss", OUR_LOSSES)
    targets = {group: str(values.get(f"{group}._target_")) for group, _ in ours}
    if targets["model"].startswith(LAYERS_OF_OTHERS):
        return False
    return all(targets[group].startswith(name) for group, name in ours)


def _has_filters(values: Mapping[str, Any]) -> bool:
    return str(values.get("model._target_")).startswith(GRAPH_FILTERS)


def _flatten(value: Any, path: str) -> dict[str, Any]:
    """Spread nested mappings over dotted keys, `_target_` and `_args_` included."""
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flatten(inner, f"{path}.{key}" if path else str(key))
    return flat
