"""The files that Hydra puts into a job's folder, and the paths that it gives as interpolations.

What all jobs of one template have in common is turned into text once. `tests/sweep/test_jobs.py`
compares the files byte for byte with those of Hydra's basic launcher.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper
from omegaconf.basecontainer import BaseContainer

from ermlab.sweep.compose import MAX_TEMPLATES, Template

_OWN = (  # below `hydra`, what is of one job
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
            "config.yaml": OmegaConf.to_yaml(task),
            "hydra.yaml": hydra_text,
            "overrides.yaml": OmegaConf.to_yaml(hydra.hydra.overrides.task),
        }

    def _join(self, hydra: DictConfig, template: Template) -> str:
        pieces = dict(self._find_pieces(template))
        for path in _OWN:
            pieces[path] = _piece(path, hydra.hydra._get_node(path[0])._get_node(path[1]))
        return "hydra:\n" + "".join(pieces.values())


def read_text(config: DictConfig, key: str) -> str:
    """Read a text of Hydra's node, `OmegaConf.select` in less time where that is simple.

    Args:
        config: of a job, node `hydra` included.
        key: of the text, such as "hydra.sweep.subdir".
    """
    raw = _raw(config, key)
    if raw is not None:
        parts = [_raw(config, name) for name in _NODE.findall(raw)]
        if all(part is not None and "${" not in part for part in parts):
            text = _NODE.sub(lambda found: str(_raw(config, found[1])), raw)
            told = OmegaConf.get_cache(config)["now"]  # the clock stands still in a sweep
            text = _NOW.sub(lambda found: str(told.get((found[1],), found[0])), text)
            if "${" not in text:
                return text
    return str(OmegaConf.select(config, key))


def _raw(config: DictConfig, key: str) -> str | None:
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
    divided = {path[0] for path in _OWN}
    pieces: dict[tuple[str, ...], str] = {}
    for name in map(str, hydra):
        node: Any = hydra._get_node(name)
        if name in divided:
            pieces[(name,)] = f"  {name}:\n"
            pieces |= {(name, str(k)): _piece((name, str(k)), node._get_node(k)) for k in node}
            # The output folder is the last entry where the template has none.
            pieces |= {path: "" for path in _OWN if path[0] == name and path not in pieces}
        else:
            pieces[(name,)] = _piece((name,), node)
    return pieces


def _piece(path: tuple[str, ...], node: Any) -> str:
    """The lines of one entry of `hydra`, as they stand in the file of all of it."""
    value = node._value()
    if isinstance(node, BaseContainer):
        value = BaseContainer._to_content(
            node,
            resolve=False,
            throw_on_missing=False,
            enum_to_str=True,
            encode_missing_literals=True,
        )
    elif isinstance(value, Enum):
        value = value.name
    for key in reversed(("hydra", *path)):
        value = {key: value}
    text: str = yaml.dump(
        value,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
        Dumper=get_omega_conf_dumper(),
    )
    return "".join(text.splitlines(keepends=True)[len(path) :])
