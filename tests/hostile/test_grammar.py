"""Strings of the override grammar, and strings near it: what is read is read as Hydra reads it."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ermlab.cli.messages import explain
from ermlab.config.check import check_config
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ErmlabError
from ermlab.sweep.compose import parse_number

# Hydra still reads extend_list(...), and warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:extend_list.*:UserWarning")

KEYS = st.sampled_from(
    ["optimizer.lr", "model", "seed", "loop.batch_size", "+x.y", "~model", "model@a.b", "++seed",
     "data.n_train", "+hydra.x", "dtype", "a/b", "$x", "hydra.sweeper.params.seed"]
)  # fmt: skip
ATOMS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["null", "true", "mlp", "${seed}", "${oc.env:HOME}", "'a b'", '"', "''", "\\,", "1_000",
         "0x10", "1e-3", "-inf", "nan", "a:b", "${a", "é", "\u202e", "\n", "a=b", "@", "*"]
    ),
    st.text(max_size=6),
)  # fmt: skip


def calls(inner):
    names = ["choice", "range", "interval", "tag", "glob", "shuffle", "sort", "int", "float", "str",
             "bool", "json_str", "extend_list", "nope"]  # fmt: skip
    named = st.tuples(st.sampled_from(["", "step=", "reverse=", "log,", "exclude="]), inner)
    some = st.lists(named.map("".join), max_size=4).map(",".join)
    return st.one_of(
        st.tuples(st.sampled_from(names), some).map(lambda pair: f"{pair[0]}({pair[1]})"),
        st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]"),
        st.lists(st.tuples(ATOMS, inner).map(":".join), max_size=2).map(
            lambda x: f"{{{','.join(x)}}}"
        ),
        st.lists(inner, min_size=2, max_size=3).map(",".join),
    )


VALUES = st.recursive(ATOMS, calls, max_leaves=6)
LINES = st.tuples(KEYS, st.sampled_from(["=", "=", "=", "", "+=", "=="]), VALUES).map("".join)


@st.composite
def mutated(draw):
    """A line with some characters taken out, doubled or replaced."""
    line = list(draw(LINES))
    for _ in range(draw(st.integers(0, 3))):
        if line:
            place = draw(st.integers(0, len(line) - 1))
            line[place : place + draw(st.integers(0, 2))] = draw(
                st.sampled_from(["", "(", ")", ",", "'", "[", "=", "}", "\\", "\0"])
            )
    return "".join(line)


def told(error):
    message = explain(error)
    assert isinstance(message, ErmlabError), repr(error)
    assert message.what
    assert message.where
    assert message.fix


@pytest.fixture(scope="module", autouse=True)
def schemas():
    register_schemas()


@example(line="optimizer.lr=extend_list()")
@settings(max_examples=400)
@given(line=mutated())
def test_a_line_is_read_as_hydra_reads_it_or_told_in_three_parts(line):
    try:
        read = OverridesParser.create().parse_override(line)
    except HydraException as error:
        told(error)
        return
    fast = parse_number(line)
    if fast is not None:
        assert (fast.key_or_group, fast.value(), fast.type) == (
            read.key_or_group, read.value(), read.type,
        )  # fmt: skip
    if is_endless(line):
        return
    try:
        create_params_from_overrides([line])
    except Exception as error:  # noqa: BLE001  # any error at all must have its message
        told(error)


def is_endless(line):
    # A range of 10^12 numbers that is shuffled is made in memory: the user's own, and slow.
    return "range" in line


@settings(max_examples=40)
@given(line=mutated())
def test_what_is_composed_is_what_hydra_composes_or_told_in_three_parts(line):
    try:
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=[line])
        before = OmegaConf.to_container(config)
        check_config(config, choices={}, is_sweep=False)
    except Exception as error:  # noqa: BLE001  # the same
        told(error)
    else:
        assert OmegaConf.to_container(config) == before
