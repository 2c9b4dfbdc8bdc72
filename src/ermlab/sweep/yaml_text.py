"""Writes plain values as OmegaConf writes YAML, in less time where they are surely simple.

A job's files are mostly names and numbers, which YAML leaves as they are; a general writer takes
longer for them than many a model's epoch. `tests/sweep/test_yaml_text.py` compares each form here
with OmegaConf's own.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper

from ermlab.config.plain import to_unresolved

MAX_PARTS = 1024  # own: of configurations, whose texts are kept
LONGEST_KEY = 100  # YAML writes a key of 128 characters otherwise

# Texts that need no quotes, whatever is read from them, and a count, which needs them.
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\$\{[a-z_][\w.]*\}", re.ASCII)
_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=-?\d[\d.e+-]*", re.ASCII)
_PATH = re.compile(r"(?:/[\w.-]+)+", re.ASCII)
_COUNT = re.compile(r"0|[1-9]\d*", re.ASCII)
_DECIMAL = re.compile(r"-?\d+\.\d+", re.ASCII)
_READ_OTHERWISE = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}
_READ_OTHERWISE |= {"nan", "inf", "infinity"}


class TaskText:
    """Writes configurations of tasks as `OmegaConf.to_yaml` does; parts that were met are kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}  # by key and content, written down

    def write(self, config: DictConfig) -> str:
        """Make the text of a configuration."""
        pieces = []
        for key, value in to_unresolved(config).items():
            if type(key) is not str:
                return OmegaConf.to_yaml(config)
            name = (key, repr(value))
            text = self._known.get(name)
            if text is None:
                if len(self._known) >= MAX_PARTS:
                    self._known.clear()
                if not _is_kept(value):
                    return OmegaConf.to_yaml(config)
                text = self._known[name] = entry_text(key, value, "")
            pieces.append(text)
        return "".join(pieces) or to_text({})


task_text = TaskText().write


def entry_text(key: str, value: Any, indent: str) -> str:
    """Write one entry of a mapping.

    Args:
        key: of the entry.
        value: plain.
        indent: spaces before each line, two for each mapping that the entry is in.
    """
    lines = _plain_lines(key, value, indent)
    if lines is not None:
        return lines
    depth = len(indent) // 2
    whole = {key: value}
    for _ in range(depth):  # where a long text is folded depends on where it stands
        whole = {"_": whole}
    return to_text(whole).split("\n", depth)[depth]


def list_text(values: Sequence[str]) -> str:
    """Write a list of overrides."""
    return _plain_list(values, "") or to_text(list(values))


def to_text(value: Any) -> str:
    """Write any plain value."""
    text: str = yaml.dump(
        value,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
        Dumper=get_omega_conf_dumper(),
    )
    return text


def _is_kept(value: Any) -> bool:
    """Whether OmegaConf keeps a value as it is written: no enumeration, no mark of its own."""
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and all(map(_is_kept, value.values()))
    if isinstance(value, list):
        return all(map(_is_kept, value))
    if isinstance(value, str):
        return type(value) is str and "?" not in value
    return value is None or type(value) in (bool, int, float)


def _plain_lines(key: Any, value: Any, indent: str) -> str | None:
    """The lines of an entry; None where they are not surely simple."""
    if not isinstance(key, str) or len(key) > LONGEST_KEY or _plain_scalar(key) != key:
        return None
    if isinstance(value, Mapping) and value:
        inner = [_plain_lines(name, each, f"{indent}  ") for name, each in value.items()]
        return None if None in inner else f"{indent}{key}:\n{''.join(map(str, inner))}"
    if isinstance(value, list) and value:
        lines = _plain_list(value, indent)
        return None if lines is None else f"{indent}{key}:\n{lines}"
    scalar = _plain_scalar(value)
    return None if scalar is None else f"{indent}{key}: {scalar}\n"


def _plain_list(values: Sequence[Any], indent: str) -> str | None:
    """The lines of a list of overrides that set numbers; None for another one."""
    for each in values:
        if not isinstance(each, str) or not _OVERRIDE.fullmatch(each):
            return None
    return "".join(f"{indent}- {each}\n" for each in values)


def _plain_scalar(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if _DECIMAL.fullmatch(text) else None
    if not isinstance(value, str):
        return None
    if _COUNT.fullmatch(value):
        return f"'{value}'"
    is_name = _NAME.fullmatch(value) and value.lower() not in _READ_OTHERWISE
    return value if is_name or _PATH.fullmatch(value) else None
