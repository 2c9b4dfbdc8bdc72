"""Plain configurations against OmegaConf's own resolution."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import II, MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.plain import resolve, set_value, to_plain, to_unresolved
from ermlab.config.store import find_conf_dir, register_schemas


@dataclass
class Typed:
    share: float = 0.5
    count: int | None = None
    name: str = "x"
    either: int | str = 3
    absent: dict[str, int] = MISSING
    folder: Path = Path("a")


CONFIGS = {
    "nothing": {"a": 1, "b": {"c": [1, {"d": None}]}},
    "simple": {"a": {"b": 3}, "c": "${a.b}", "d": ["${c}", "${a.b}"]},
    "into a list": {"a": [5, 6], "b": "${a[1]}", "c": ["${b}"]},
    "of a mapping": {"a": {"b": 3}, "c": "${a}"},
    "in a text": {"a": 3, "b": "x${a}"},
    "escaped": {"a": 3, "b": r"\${a}"},
    "relative": {"a": {"b": 3, "c": "${.b}"}},
    "chain": {"a": "${b}", "b": "${c}", "c": 7},
    "to null": {"a": None, "b": "${a}"},
    "environment": {"a": "${oc.env:HOME}"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_plain_values_are_those_of_omegaconf(name):
    config = OmegaConf.create(CONFIGS[name])
    assert to_plain(config) == OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize("name", CONFIGS)
def test_unresolved_values_are_those_of_omegaconf(name):
    config = OmegaConf.create({**CONFIGS[name], "absent": MISSING, "nothing": None})
    assert to_unresolved(config) == OmegaConf.to_container(config)


def test_typed_values_are_read_as_omegaconf_reads_them():
    config = OmegaConf.structured(Typed)
    config.either = "text"
    assert repr(to_unresolved(config)) == repr(OmegaConf.to_container(config))


@pytest.mark.parametrize("name", CONFIGS)
def test_resolving_in_place_is_omegaconfs(name):
    ours, theirs = OmegaConf.create(CONFIGS[name]), OmegaConf.create(CONFIGS[name])
    resolve(ours)
    OmegaConf.resolve(theirs)
    assert OmegaConf.to_container(ours) == OmegaConf.to_container(theirs)


@pytest.mark.parametrize(
    "content", [{"typed": {"share": "${n}"}}, {"typed": {"count": "${n}", "name": "${n}"}}]
)
def test_a_value_takes_the_type_of_the_key_that_refers_to_it(content):
    config = OmegaConf.merge({"n": 3, "typed": OmegaConf.structured(Typed)}, content)
    expected = OmegaConf.to_container(config, resolve=True)
    assert repr(to_plain(config)) == repr(expected)
    resolve(config)
    assert repr(OmegaConf.to_container(config)) == repr(expected)


@pytest.mark.parametrize(
    "content",
    [
        {"a": "${nowhere}"},
        {"a": "${b}", "b": MISSING},
        {"n": "three", "typed": {"share": "${n}"}},
        {"a": "${b.c}", "b": 3},
    ],
)
def test_what_omegaconf_cannot_resolve_raises_its_error(content):
    config = OmegaConf.merge({"typed": OmegaConf.structured(Typed)}, content)
    with pytest.raises(OmegaConfBaseException) as expected:
        OmegaConf.to_container(config, resolve=True)
    with pytest.raises(type(expected.value)):
        to_plain(config)


def test_a_node_is_read_with_the_values_of_the_whole():
    config = OmegaConf.create({"n": 3, "model": {"width": "${n}", "depth": 2}})
    assert to_plain(config.model) == {"width": 3, "depth": 2}


def test_the_projects_configuration_reads_as_with_omegaconf():
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=["model=mlp", "loss=cross_entropy"])
    expected = OmegaConf.to_container(config, resolve=True)
    assert to_plain(config) == expected
    resolve(config)
    assert OmegaConf.to_container(config) == expected


@dataclass
class Inner:
    flag: bool = True
    any: Any = "x"
    nothing: int | None = None
    folder: Path = Path("a")


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    share: float = 0.5
    name: str = "x"
    either: int | str = 3
    refers: int = II("inner.nothing")
    absent: int = MISSING


KEYS = ["share", "name", "either", "refers", "absent", "inner", "inner.flag", "inner.any"]
KEYS += ["inner.nothing", "inner.folder", "inner.unknown", "share.below", "unknown", "unknown.key"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [True, 3, -2.5, 4.0, 1e300, float("inf"), 0])
@pytest.mark.parametrize("typed", [True, False])
def test_a_value_is_set_as_omegaconf_sets_it_or_not_at_all(key, value, typed):
    made = OmegaConf.structured(Outer)
    if not typed:
        made = OmegaConf.create(OmegaConf.to_container(made))
    config, expected = made.copy(), made.copy()
    if set_value(config, key, value):
        OmegaConf.update(expected, key, value)
    assert OmegaConf.to_container(config) == OmegaConf.to_container(expected)
    assert repr(OmegaConf.to_container(config)) == repr(OmegaConf.to_container(expected))


def test_usual_values_are_set_at_once():
    config = OmegaConf.structured(Outer)
    assert set_value(config, "share", 1)
    assert set_value(config, "inner.nothing", 3)
    assert (config.share, config.inner.nothing) == (1.0, 3)


def test_a_read_only_configuration_is_not_changed():
    config = OmegaConf.create({"a": {"b": 1}})
    OmegaConf.set_readonly(config, True)
    assert not set_value(config, "a.b", 2)
    assert config.a.b == 1
