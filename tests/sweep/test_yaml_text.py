"""Plain values are written as OmegaConf writes them, character for character."""

import math
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ermlab.sweep.yaml_text import TaskText, entry_text, list_text, to_text

WORDS = ["y", "No", "on", "TRUE", "null", "~", "nan", ".inf", "1e5", "0x1F", "007", "12", "1_000"]
WORDS += ["", " a", "a ", "a: b", "a #b", "-", "- a", "a.b", "ermlab.model.Linear", "${a.b}", "${a"]
WORDS += ["/tmp/a-b/0", "/", "a=1", "a.b=-0.5e-3", "=", "<<", "é", "2026-11-26", "1:30", "???"]
WORDS += ["e5", "_1", "1.5", "-3", "_", "a.1", "0", "00", "x" * 200, "a\nb", "'", '"', "!t", "&a"]
WORDS += ["Infinity", "None", "none", "Inf", "y.n", "a._b", "${oc.env:A}", "@", "%", "a,b", "[1]"]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text()
)
keys = st.one_of(st.sampled_from([word for word in WORDS if "$" not in word]), st.text(min_size=1))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("word", WORDS)
def test_a_text_is_quoted_as_omegaconf_quotes_it(word):
    assert entry_text("key", word, "") == to_text({"key": word})
    assert entry_text(word, 1, "") == to_text({word: 1})


@given(key=keys, value=values)
def test_an_entry_is_written_as_omegaconf_writes_it(key, value):
    assert entry_text(key, value, "") == to_text({key: value})


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text()), max_size=4))
def test_a_list_of_overrides_is_written_as_omegaconf_writes_it(lines):
    assert list_text(lines) == to_text(lines)


@given(value=values)
def test_an_indented_entry_stands_in_its_mapping(value):
    whole = to_text({"a": {"b": {"key": value, "next": 1}}})
    assert "".join(["a:\n  b:\n", entry_text("key", value, "    "), "    next: 1\n"]) == whole


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [Colour.RED, "???", r"\???", math.nan, math.inf, 1e-5, 1e22, -0.0, {}, [], {"b": {}}, b"x"],
)
def test_a_configuration_is_written_as_omegaconf_writes_it(value):
    config = OmegaConf.create({"a": {"b": 1, "c": value}, "d": "${a.b}", "e": None})
    assert TaskText().write(config) == OmegaConf.to_yaml(config)


@pytest.mark.parametrize("key", [Colour.RED, 3, True, 0.5, "a b"])
def test_a_key_is_written_as_omegaconf_writes_it(key):
    for config in (OmegaConf.create({key: 1, "b": 2}), OmegaConf.create({"a": {key: {"b": 1}}})):
        assert TaskText().write(config) == OmegaConf.to_yaml(config)
