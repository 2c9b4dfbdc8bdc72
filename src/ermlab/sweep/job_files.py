"""The files that Hydra puts into a job's folder, and the paths that it gives as interpolations.

What all jobs of one template have in common is turned into text once. `tests/sweep/test_jobs.py`
compares the files byte for byte with those of Hydra's basic launcher.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from ermlab.sweep.compose import MAX_TEMPLATES, Template
from ermlab.sweep.yaml_text import entry_text, task_text

OWN = (  # below `hydra`, what is of one job
    ("job", "env_set"),
    ("job", "id"),
    ("job", "num"),
    ("overrides", "task"),
    ("runtime", "cwd"),
    ("runtime", "output_dir"),
)
_NODE = re.compile(r"\$\{(hydra\.[\w.]+)\}")
_NOW = re.compile(r"\$\{now:([^${},\\\\'\"]*)\}")  # with one plain argument


class JobFiles:
    """Makes the text of Hydra's files."""

    def __init__(self) -> None:
        self._find_pieces = lru_cache(MAX_TEMPLATES)(_make_pieces)

    def write(
        self, task: DictConfig, hydra: DictConfig, template: Template | None
    ) -> dict[str, str]:
        """Make the text of each file, by its name.

        Args:
            task: configuration of the job's task.
            hydra: a mapping of the node `hydra` alone.
            template: what the job was composed from, if it was.
        """
        hydra_text = OmegaConf.to_yaml(hydra) if template is None else self._join(hydra, template)
        return {
            "config.yaml": task_text(task),
            "hydra.yaml": hydra_text,
            "overrides.yaml": OmegaConf.to_yaml(hydra.hydra.overrides.task),
        }

    def _join(self, hydra: DictConfig, template: Template) -> str:
        own = {path: hydra.hydra._get_node(path[0])._get_node(path[1]) for path in OWN}
        return self.join(template, {path: _content(node) for path, node in own.items()})

    def join(self, template: Template, own: Mapping[tuple[str, str], Any]) -> str:
        """Make the text of `hydra.yaml` of what all jobs of a template share, and what is one's."""
        pieces = dict(self._find_pieces(template))
        for path, value in own.items():
            pieces[path] = _piece(path, value)
        return "hydra:\n" + "".join(pieces.values())


def read_text(config: DictConfig, key: str) -> str:
    """Read a text of Hydra's node, `OmegaConf.select` in less time where that is simple.

    Args:
        config: of a job, node `hydra` included.
        key: of the text, such as "hydra.sweep.subdir".
    """
    raw = raw_text(config, key)
    if raw is not None:
        named = {name: raw_text(config, name) for name in _NODE.findall(raw)}
        given = {k: v for k, v in named.items() if v is not None and "${" not in v}
        # The clock stands still in a sweep.
        text = fill_text(raw, given, OmegaConf.get_cache(config)["now"])
        if text is not None:
            return text
    return str(OmegaConf.select(config, key))


def fill_text(raw: str, given: Mapping[str, str], clock: Mapping[Any, Any]) -> str | None:
    """Put what is given into a text of Hydra's node; None where more than that is needed.

    Args:
        raw: the text, such as "${hydra.job.num}".
        given: by key.
        clock: what the sweep has read from the clock, by the arguments of `now`.
    """
    text = _NODE.sub(lambda found: given.get(found[1], found[0]), raw)
    text = _NOW.sub(lambda found: str(clock.get((found[1],), found[0])), text)
    return None if "${" in text else text


def raw_text(config: DictConfig, key: str) -> str | None:
    """What is written at a key, as text; None where that needs more than a walk."""
    node: Any = config
    for name in key.split("."):
        node = node._get_node(name) if isinstance(node, DictConfig) else None
    value = None if node is None else node._value()
    return None if value is None or value == "???" or isinstance(value, dict | list) else str(value)


def _make_pieces(template: Template) -> dict[tuple[str, ...], str]:
    """The lines of each entry of `hydra`, and those of each entry of what is of one job."""
    hydra = template.config._get_node("hydra")
    assert isinstance(hydra, DictConfig), "Hydra has composed it"
    divided = {path[0] for path in OWN}
    pieces: dict[tuple[str, ...], str] = {}
    for name in map(str, hydra):
        node: Any = hydra._get_node(name)
        if name in divided:
            pieces[(name,)] = f"  {name}:\n"
            for key in map(str, node):
                pieces[(name, key)] = _piece((name, key), _content(node._get_node(key)))
            # The output folder is the last entry where the template has none.
            pieces |= {path: "" for path in OWN if path[0] == name and path not in pieces}
        else:
            pieces[(name,)] = _piece((name,), _content(node))
    return pieces


def _content(node: Any) -> Any:
    """What a node holds, as plain values."""
    value = node._value()
    if isinstance(node, BaseContainer):
        return BaseContainer._to_content(
            node,
            resolve=False,
            throw_on_missing=False,
            enum_to_str=True,
            encode_missing_literals=True,
        )
    return value.name if isinstance(value, Enum) else value


def _piece(path: tuple[str, ...], value: Any) -> str:
    """The lines of one entry of `hydra`, as they stand in the file of all of it."""
    return entry_text(path[-1], value, "  " * len(path))
