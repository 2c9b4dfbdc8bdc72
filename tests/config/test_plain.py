"""Plain configurations against OmegaConf's own resolution."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.plain import resolve, to_plain, to_unresolved
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
