"""Checks of a composed configuration, made before any work: unknown keys, ranges, key pairs.

Types and known keys of schemas are Hydra's to check while composing; what `+key=value` slips past
a schema, and what types cannot say, is refused here.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.fields import allowed_range, is_allowed
from ermlab.config.plain import to_plain, to_unresolved
from ermlab.errors import ConfigError, name_known


def check_config(config: DictConfig, *, choices: Mapping[str, str | None], is_sweep: bool) -> None:
    """Refuse a configuration that cannot train, before data is loaded.

    Args:
        config: the composed configuration.
        choices: the chosen option of each config group, as Hydra records it.
        is_sweep: whether this is a job of a multirun.

    Raises:
        ConfigError: for the first key that is unknown, missing, out of range or at odds with
            another one.
    """
    plain = _resolve(config)
    values = _flat_values(plain, "")
    for path, node in _schema_nodes(config, plain, ""):
        _check_known_keys(node, path)
        _check_ranges(node, path, values)
    _check_batch_size(values)
    _check_sweep(config, choices=choices, is_sweep=is_sweep)


def _schema_nodes(
    node: DictConfig, plain: Mapping[str, Any], path: str
) -> Iterator[tuple[str, DictConfig]]:
    if dataclasses.is_dataclass(OmegaConf.get_type(node)):
        yield path, node
    for key, value in plain.items():
        child = node._get_node(key) if isinstance(value, dict) else None
        if isinstance(child, DictConfig) and not child._is_interpolation():
            yield from _schema_nodes(child, value, f"{path}{key}.")


def _resolve(config: DictConfig) -> dict[str, Any]:
    """Return plain values; refuse keys without one, and interpolations that lead nowhere."""
    missing = sorted(_missing(to_unresolved(config), ""))
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} has no value",
            where=missing[0],
            fix=f"set it on the command line: {missing[0]}=VALUE",
        )
    try:
        return to_plain(config)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "the configuration"
        raise ConfigError(
            f"an interpolation cannot be resolved: {str(error).splitlines()[0]}",
            where=str(key),
            fix="name a key that exists, as in ${data.n_inputs}; a data option of your own needs "
            "n_inputs: null and n_outputs: null, which are found in the data",
        ) from error


def _flat_values(value: object, path: str) -> dict[str, object]:
    """Spread nested mappings over dotted keys; every other value stays as it is."""
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        flat |= _flat_values(inner, f"{path}.{key}" if path else str(key))
    return flat


def _missing(value: object, path: str) -> Iterator[str]:
    """List the keys without a value, but not those that only refer to one."""
    if value == MISSING:
        yield path
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    if isinstance(inner, dict):
        for key, each in inner.items():
            yield from _missing(each, f"{path}.{key}" if path else str(key))


def _check_known_keys(node: DictConfig, path: str) -> None:
    known = {field.name for field in _fields(node)}
    for key in map(str, node):
        if key not in known:
            raise ConfigError(
                f"{path}{key} is not a key that {_owner(path)} knows",
                where=f"{path}{key}",
                fix=f"use one of: {name_known(known - {'_target_'})}",
            )


def _check_ranges(node: DictConfig, path: str, values: Mapping[str, object]) -> None:
    for field in _fields(node):
        seen = values.get(f"{path}{field.name}")
        if is_allowed(field, seen):
            continue
        raise ConfigError(
            f"{path}{field.name} is {seen}, but must be {allowed_range(field)}",
            where=f"{path}{field.name}",
            fix=f"set {path}{field.name} to a value that is {allowed_range(field)}",
        )


def _check_batch_size(values: Mapping[str, object]) -> None:
    batch_size, n_train = values.get("loop.batch_size"), values.get("data.n_train")
    if isinstance(batch_size, int) and isinstance(n_train, int):
        check_batch_size(batch_size, n_train)


def check_batch_size(batch_size: int, n_train: int) -> None:
    """Refuse a batch larger than the training split.

    Args:
        batch_size: rows of a batch, >= 1.
        n_train: rows of the training split, >= 0.

    Raises:
        ConfigError: the batch is larger.
    """
    if batch_size > n_train:
        raise ConfigError(
            f"a batch of {batch_size} rows is larger than the training split of {n_train} rows",
            where="loop.batch_size",
            fix=f"set loop.batch_size to at most {n_train}, or raise data.n_train",
        )


def _check_sweep(config: DictConfig, *, choices: Mapping[str, str | None], is_sweep: bool) -> None:
    if choices.get("sweeps") and not is_sweep:
        raise ConfigError(
            f"sweeps={choices['sweeps']} asks for many runs, but this is a single run",
            where="sweeps",
            fix=f"add -m: ermlab -m sweeps={choices['sweeps']}",
        )
    several = config.objective if OmegaConf.is_list(config.objective) else [config.objective]
    validated = [name for name in several if str(name).startswith("valid_")]
    if is_sweep and choices.get("loop") == "simple" and validated:
        raise ConfigError(
            f"the objective is {validated[0]}, but loop=simple makes no validation",
            where="objective",
            fix="set objective=train_loss, or choose a loop that validates, such as loop=epochs",
        )
    if "valid_accuracy" in several and choices.get("loss") == "squared_error":
        raise ConfigError(
            "the objective is valid_accuracy, but loss=squared_error measures no accuracy",
            where="objective",
            fix="set objective=valid_loss, or loss=cross_entropy for class labels",
        )


def _fields(node: DictConfig) -> tuple[dataclasses.Field[Any], ...]:
    schema = OmegaConf.get_type(node)
    assert schema is not None, "only nodes with a schema come here"
    return dataclasses.fields(schema)


def _owner(path: str) -> str:
    return f"`{path.rstrip('.')}`" if path else "the top level"
