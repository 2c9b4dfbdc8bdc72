"""Checks of a composed configuration, made before any work: unknown keys, ranges, key pairs.

Types and known keys of schemas are Hydra's to check while composing; what `+key=value` slips past
a schema, and what types cannot say, is refused here.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.fields import allowed_range, is_allowed
from ermlab.config.plain import child, resolve_plain, to_unresolved
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
    for path, schema, names in _schema_nodes(config, plain, ""):
        _check_known_keys(schema, names, path)
        _check_ranges(schema, path, values)
    _check_batch_size(values)
    _check_sweep(config, choices=choices, is_sweep=is_sweep)


def _schema_nodes(
    node: DictConfig, plain: Mapping[str, Any], path: str
) -> Iterator[tuple[str, type, Iterable[str]]]:
    """List the path of each node with a schema, the schema, and the keys that are there."""
    schema = node._metadata.object_type
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        yield path, schema, plain
    for key, value in plain.items():
        inner = child(node, key) if isinstance(value, dict) else None
        if isinstance(inner, DictConfig) and not inner._is_interpolation():
            yield from _schema_nodes(inner, value, f"{path}{key}.")


def _resolve(config: DictConfig) -> dict[str, Any]:
    """Return plain values; refuse keys without one, and interpolations that lead nowhere."""
    plain = to_unresolved(config)
    missing = sorted(_missing(plain, ""))
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} has no value",
            where=missing[0],
            fix=f"set it on the command line: {missing[0]}=VALUE",
        )
    try:
        return resolve_plain(config, plain)
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


def _check_known_keys(schema: type, names: Iterable[str], path: str) -> None:
    known = _find_fields(schema).keys()
    for key in names:
        if key not in known:
            raise ConfigError(
                f"{path}{key} is not a key that {_owner(path)} knows",
                where=f"{path}{key}",
                fix=f"use one of: {name_known(known - {'_target_'})}",
            )


def _check_ranges(schema: type, path: str, values: Mapping[str, object]) -> None:
    for name, field in _find_fields(schema).items():
        seen = values.get(f"{path}{name}")
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


@functools.cache
def _find_fields(schema: type) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(schema)}


def _owner(path: str) -> str:
    return f"`{path.rstrip('.')}`" if path else "the top level"
