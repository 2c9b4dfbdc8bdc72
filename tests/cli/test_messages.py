"""Whatever is typed as a value, the message has three parts and no traceback is left."""

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ermlab.cli.messages import explain, is_out_of_memory
from ermlab.config.check import check_config
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ErmlabError

KEYS = ["optimizer.lr", "seed", "loop.batch_size", "model", "model.activation", "data.n_train",
        "+x", "~optimizer.lr", "dtype", "model.hidden_units"]  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=12),
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(
        ["[1,2", "{a:1}", "null", "${foo}", "${seed", "'", "a,b", "choice(1,2)", "???"]
    ),
)


@pytest.fixture(scope="module", autouse=True)
def schemas():
    register_schemas()


def find_error(word):
    try:
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=[word])
        check_config(config, choices={}, is_sweep=False)
    except Exception as error:  # noqa: BLE001  # any error at all must have its message
        return error
    return None


@settings(max_examples=60)
@example(key="optimizer.lr", value="nan")
@example(key="optimizer.lr", value="${oc.env:NOT_SET}")
@example(key="model", value="../../etc")
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_a_value_is_accepted_or_told_in_three_parts(key, value):
    error = find_error(f"{key}={value}")
    if error is not None:
        told = explain(error)
        assert isinstance(told, ErmlabError), repr(error)
        assert told.what
        assert told.where
        assert told.fix


def test_an_error_in_the_users_code_is_not_explained_away():
    assert explain(KeyError("theirs")) is None


@pytest.mark.parametrize("told", ["can't allocate memory", "CUDA out of memory"])
def test_torch_out_of_memory_is_known(told):
    assert is_out_of_memory(RuntimeError(told))


def test_another_runtime_error_is_not_out_of_memory():
    assert not is_out_of_memory(RuntimeError("shapes differ"))
