"""Reads a configuration as plain containers, every interpolation replaced by its value.

OmegaConf checks each value and parses each interpolation anew at each reading, which takes longer
than a small model's epoch. Here the values are taken as they are kept, and interpolations of the
form `${data.n_inputs}`, which nearly all have, are looked up; where there is any other, OmegaConf
resolves them all. Like `sweep/compose.py` this leans on private parts of OmegaConf, and is tested
against its public ones.
"""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import (
    MISSING,
    AnyNode,
    BooleanNode,
    DictConfig,
    FloatNode,
    IntegerNode,
    Node,
    OmegaConf,
    StringNode,
    ValueNode,
)
from omegaconf.errors import OmegaConfBaseException, ValidationError

Path = tuple[str | int, ...]

_PLAIN_NODES = (AnyNode, BooleanNode, FloatNode, IntegerNode, StringNode)
_SCALARS = frozenset({str, int, float, bool, type(None)})
_SIMPLE = re.compile(r"\$\{(\w+(?:\.\w+)*)\}")  # one key, named from the top


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Return what `OmegaConf.to_container(config, resolve=True)` returns.

    Args:
        config: a configuration, or a node of one.

    Raises:
        OmegaConfBaseException: an interpolation leads nowhere.
    """
    return resolve_plain(config, to_unresolved(config))


def resolve_plain(config: DictConfig, plain: dict[str, Any]) -> dict[str, Any]:
    """Put values in the place of interpolations (see `to_plain`).

    Args:
        config: a configuration, or a node of one.
        plain: what `to_unresolved` returned for it; changed in place.
    """
    found = _look_up(config, plain)
    if found is None:
        resolved: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]  # a configuration is a mapping
        return resolved
    for path, value in found.items():
        _select(plain, path[:-1])[path[-1]] = value
    return plain


def to_unresolved(config: DictConfig) -> dict[str, Any]:
    """Return what `OmegaConf.to_container(config)` returns: interpolations stay text."""
    plain = _read(config)
    assert isinstance(plain, dict), "a configuration is a mapping"
    return plain


def resolve(config: DictConfig) -> None:
    """Do what `OmegaConf.resolve(config)` does: put values in the place of interpolations.

    Args:
        config: the whole configuration, changed in place.

    Raises:
        OmegaConfBaseException: an interpolation leads nowhere.
    """
    found = _look_up(config, to_unresolved(config))
    if found is None:
        OmegaConf.resolve(config)
        return
    for path, value in found.items():
        _find_node(config, path)._set_value(value)


def child(config: DictConfig, key: str) -> Any:
    """Return a node below another one, `config[key]` without checks and interpolations; or None."""
    content = config.__dict__["_content"] if isinstance(config, DictConfig) else None
    return content.get(key) if isinstance(content, dict) else None


def set_value(config: DictConfig, key: str, value: Any) -> bool:
    """Put a value where there is a plain one, as `OmegaConf.update` does in a tenth of the time.

    Args:
        config: changed in place.
        key: names joined by dots, without brackets.
        value: a bool, an int or a float.

    Returns:
        False where that is not simple, or the value is not allowed: nothing is changed then.
    """
    node: Any = config
    for name in key.split("."):
        node = child(node, name)
    if type(node) not in _PLAIN_NODES:
        return False
    try:
        node._set_value(value)
    except (OmegaConfBaseException, ValueError):
        return False
    return True


def _read(node: Any) -> Any:
    state = node.__dict__
    value = state["_val"] if "_val" in state else state["_content"]
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {key: _read(each) for key, each in value.items()}
    if kind is list:
        return [_read(each) for each in value]
    return _read(value) if isinstance(value, Node) else value  # a node in a node: of a union


def _look_up(config: DictConfig, plain: Any) -> dict[Path, Any] | None:
    """Find the value of each interpolation, by its path; None unless all are simple."""
    found: dict[Path, Any] = {}
    for path, text in _interpolations(plain, ()):
        reference = _SIMPLE.fullmatch(text)
        if reference is None or config._get_parent() is not None:
            return None
        try:
            value = _select(plain, tuple(reference[1].split(".")))
            node = _find_node(config, path)
            is_simple = value != MISSING and not isinstance(value, dict | list)
            if not is_simple or "${" in str(value) or not isinstance(node, ValueNode):
                return None
            found[path] = node.validate_and_convert(value)
        except (LookupError, TypeError, ValidationError):  # OmegaConf says in its own words what
            return None
    return found


def _interpolations(plain: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(plain, str):
        if "${" in plain:
            yield path, plain
    elif isinstance(plain, dict | list):
        for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
            if isinstance(value, str | dict | list):
                yield from _interpolations(value, (*path, key))


def _select(plain: Any, path: Path) -> Any:
    for key in path:
        plain = plain[key]
    return plain


def _find_node(config: Any, path: Path) -> Any:
    for key in path:
        config = child(config, key) if isinstance(key, str) else config._get_node(key)
    return config
