"""Checks STYLE section 7 on every file in conf/ and sweeps/: words, schemas, and what composes.

The files are found by listing the folders, so a new option is tested on its first day. What the
values mean is tested beside the code that they configure.
"""

import pkgutil
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.store import register_schemas

CONF = Path(__file__).parents[2] / "conf"
GROUPS_WITH_SCHEMA = ("data", "model", "loss", "optimizer", "loop")
# conf/sweeps is a link, which rglob does not follow.
FILES = sorted([*CONF.rglob("*.yaml"), *(CONF / "sweeps").glob("*.yaml")])
OPTIONS = [file for file in FILES if file.parent != CONF]
# Hydra's own groups have Hydra's schemas, or those of a plugin.
OWN = [file for file in FILES if file.relative_to(CONF).parts[0] != "hydra"]
NEEDS = {"hydra/sweeper/pruner": "hydra/sweeper=study"}  # without which there is no such group


@dataclass(frozen=True)
class Leaf:
    """A key whose value is no mapping: its dotted path, the marks of its text, and its value."""

    path: str
    key: yaml.Node
    value: yaml.Node


def name_of(file: Path) -> str:
    """Name a file by its place in conf/, for the names of the tests."""
    return str(file.relative_to(CONF).with_suffix(""))


def each(files: list[Path]) -> pytest.MarkDecorator:
    """Make one test for each file."""
    return pytest.mark.parametrize("file", [pytest.param(file, id=name_of(file)) for file in files])


def read_leaves(text: str) -> list[Leaf]:
    """List the leaves of a YAML text in their order, without the defaults list."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return list(_walk(root, "")) if isinstance(root, yaml.MappingNode) else []


def _walk(node: yaml.MappingNode, above: str) -> Iterator[Leaf]:
    for key, value in node.value:
        path = f"{above}{key.value}"
        if path == "defaults":
            continue
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _walk(value, f"{path}.")
        else:
            yield Leaf(path, key, value)


def read_defaults(file: Path) -> list[Any]:
    """Read the defaults list of a file; empty where it has none."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return list(content.get("defaults", []))


def header_line(lines: list[str]) -> int:
    """Find the line that must hold the sentence: the first one after a `# @package` line."""
    return 1 if lines and lines[0].startswith("# @package") else 0


def find_uncommented(text: str) -> list[str]:
    """List the keys that have a comment neither on their line nor on the line above."""
    lines = [*text.splitlines(), ""]
    header = header_line(lines)
    found = []
    for leaf in read_leaves(text):
        first, last = leaf.key.start_mark, leaf.value.end_mark
        after_key = lines[first.line][leaf.key.end_mark.column :]
        is_block = isinstance(leaf.value, yaml.ScalarNode) and leaf.value.style in ("|", ">")
        is_below = leaf.value.start_mark.line > first.line or is_block
        beside = after_key if is_below else lines[last.line][last.column :]
        above = lines[first.line - 1].strip() if first.line > header + 1 else ""
        if not (re.search(r"\s#\s*\S", beside) or re.match(r"#\s*\S", above)):
            found.append(f"line {first.line + 1}: {leaf.path}")
    return found


def choose(file: Path) -> str:
    """Write the override that chooses an option: `model=mlp`, `+experiment=x`, `` for the root."""
    if file.parent == CONF:
        return ""
    group = str(file.parent.relative_to(CONF))
    entries = [entry for entry in read_defaults(CONF / "config.yaml") if isinstance(entry, dict)]
    listed = {key.split()[-1].lstrip("/") for entry in entries for key in entry}
    plus = "" if group in listed or group.startswith("hydra/") else "+"
    return f"{plus}{group}={file.stem}"


@pytest.fixture(scope="module", autouse=True)
def schemas() -> None:
    """Register the schemas, which every composition below needs."""
    register_schemas()


def compose_with(conf: Path, *overrides: str) -> DictConfig:
    """Compose the configuration from a folder, as the command line does."""
    words = [override for override in overrides if override]
    words += [needed for group, needed in NEEDS.items() if any(w.startswith(group) for w in words)]
    with initialize_config_dir(str(conf)):
        return compose("config", words)


def own_leaves(file: Path) -> list[tuple[str, Leaf]]:
    """List the keys of an option with their place in the whole configuration, less Hydra's own."""
    text = file.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    is_global = file.parent == CONF or first.replace(" ", "") == "#@package_global_"
    above = "" if is_global else f"{file.parent.relative_to(CONF)}.".replace("/", ".")
    leaves = [(f"{above}{leaf.path}", leaf) for leaf in read_leaves(text)]
    return [(path, leaf) for path, leaf in leaves if not path.startswith("hydra.")]


def is_refused(conf: Path, *overrides: str) -> bool:
    """Whether composing fails as it does for a mistake of the user's."""
    try:
        compose_with(conf, *overrides)
    except (HydraException, OmegaConfBaseException):
        return True
    return False


@pytest.mark.parametrize("group", [*GROUPS_WITH_SCHEMA, "sweeps"])
def test_each_group_has_an_option(group: str) -> None:
    assert list((CONF / group).glob("*.yaml")), f"conf/{group} holds no option"


@each(FILES)
def test_the_first_line_is_a_sentence(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    line = lines[header_line(lines)] if lines else ""
    assert re.fullmatch(r"# \S.*[.?!]", line), f"{file} starts with {line!r}, not `# A sentence.`"


@each(FILES)
def test_every_key_has_a_comment(file: Path) -> None:
    found = find_uncommented(file.read_text(encoding="utf-8"))
    assert not found, f"{file}: no comment with unit and range at {found}"


@each(FILES)
def test_no_value_is_left_to_be_filled_in(file: Path) -> None:
    assert "???" not in file.read_text(encoding="utf-8"), f"{file}: give the key a value, or null"


@each([file for file in OPTIONS if file.parent.name in GROUPS_WITH_SCHEMA])
def test_an_option_starts_from_its_schema(file: Path) -> None:
    entries = [str(entry) for entry in read_defaults(file)]
    assert "_self_" in entries, f"{file}: the defaults list needs `- _self_` after the schema"
    before = [entry.rpartition("/")[2] for entry in entries[: entries.index("_self_")]]
    assert any(entry.startswith("schema") for entry in before), f"{file}: no schema before _self_"


@each(FILES)
def test_an_option_composes_without_a_missing_value(file: Path) -> None:
    config = compose_with(CONF, choose(file))
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


@each(OWN)
def test_a_misspelt_key_is_refused_on_the_command_line(file: Path) -> None:
    paths = [path for path, _ in own_leaves(file)]
    taken = [path for path in paths if not is_refused(CONF, choose(file), f"{path}x=1")]
    assert not taken, f"{file}: a letter too many is accepted after {taken}; is it in the schema?"


@each(OWN)
def test_a_misspelt_key_is_refused_in_the_file(file: Path, tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    copy = conf / file.relative_to(CONF)
    text = copy.read_text(encoding="utf-8")
    assert not is_refused(conf, choose(file)), f"{file} does not compose even as it is"
    taken = []
    for path, leaf in own_leaves(file):
        end = leaf.key.end_mark.index
        copy.write_text(f"{text[:end]}x{text[end:]}", encoding="utf-8")
        if not is_refused(conf, choose(file)):
            taken.append(path)
    assert not taken, f"{file}: a letter too many is accepted after {taken}; is it in the schema?"


@each(FILES)
def test_every_target_can_be_imported(file: Path) -> None:
    for leaf in read_leaves(file.read_text(encoding="utf-8")):
        if leaf.path.rpartition(".")[2] == "_target_":
            target = leaf.value.value
            try:
                found = pkgutil.resolve_name(target)
            except (ImportError, AttributeError) as error:
                pytest.fail(f"{file}: cannot import {target}: {error}")
            assert callable(found), f"{file}: {target} cannot be called"


@pytest.mark.parametrize("group", sorted({name_of(file.parent) for file in OPTIONS}))
def test_an_unknown_option_is_refused(group: str) -> None:
    # `- optional sweeps: null` would accept it; `- sweeps: null` allows no choice just as well.
    assert is_refused(CONF, f"{group}=nope"), f"{group}=nope is taken: is it `optional`?"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Header.\na: 1\n", ["line 2: a"]),
        ("# @package _global_\n# Header.\na: 1\n", ["line 3: a"]),
        ("# Header.\n\n# The unit [1].\na: 1\nb: 2\n", ["line 5: b"]),
        ("# Header.\na:\n  b: '# text'\n  c: 2  # yes\n", ["line 3: a.b"]),
        ("# Header.\na: [1,\n  2]\nb: {c: 1, d: 2}  # both\n", ["line 2: a"]),
        ("# Header.\na: ${b:c}\nd:\n", ["line 2: a", "line 3: d"]),
    ],
)
def test_the_checker_finds_a_key_without_a_comment(text: str, found: list[str]) -> None:
    assert find_uncommented(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "# Header.\na: '#'  # yes\nb:  # null means never\nc: [1, 2]  # list\n",
        "# Header.\na:  # block list\n  - 1\n  - 2\nb: |  # text\n  1\n  2\n",
        "# Header.\ndefaults:\n  - schema_a\n  - _self_\n_target_: x.Y  # the class\n",
    ],
)
def test_the_checker_passes_a_key_with_a_comment(text: str) -> None:
    assert find_uncommented(text) == []
