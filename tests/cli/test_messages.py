"""Whatever is typed as a value, the message has three parts and no traceback is left."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import JobReturn, JobStatus
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.cli.messages import explain, is_out_of_memory
from ermlab.config.check import check_config
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ErmlabError
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW

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

MINE = """
def no_file():
    return open("nowhere.csv")


def wrong_value():
    return int("three")
"""


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
@example(key="model", value="null")  # Hydra raises a ValueError of Python's
@example(key="", value="3")
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


def test_an_error_whose_cause_leads_back_to_itself_is_looked_through_once():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert explain(first) is None


@pytest.mark.parametrize("value", ["${nowhere}", "${b}", "${oc.env:NOT_SET_ANYWHERE}"])
def test_an_interpolation_that_leads_nowhere_is_told_with_its_key(value):
    config = OmegaConf.create({"a": value, "b": "${a}"})
    with pytest.raises(OmegaConfBaseException) as caught:
        _ = config.a
    told = explain(caught.value)
    assert told.what.startswith("a has an interpolation that cannot be resolved: ")


@pytest.mark.parametrize(("function", "kind"), [("no_file", OSError), ("wrong_value", ValueError)])
def test_an_error_in_a_data_function_keeps_its_traceback(function, kind, tmp_path, monkeypatch):
    (tmp_path / "my_rows.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=["device=cpu"])
    config.data = {"_target_": f"my_rows.{function}", "n_inputs": None, "n_outputs": None}
    with pytest.raises(kind) as caught:
        run_trial(config, run_dir=tmp_path, choices={}, allow=["my_rows.*", *DEFAULT_ALLOW])
    assert explain(caught.value) is None


@pytest.mark.parametrize("error", [ValueError("theirs"), FileNotFoundError(2, "none", "x.csv")])
def test_an_error_of_a_worker_process_is_not_taken_for_one_of_hydras(error):
    # A worker's error comes without its frames, in the result of its job.
    job = JobReturn(status=JobStatus.FAILED, _return_value=error)
    with pytest.raises(type(error)) as caught:
        _ = job.return_value
    assert explain(caught.value) is None


def test_a_folder_that_hydra_cannot_make_is_told_with_its_path(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file") as caught:
        (tmp_path / "file" / "run").mkdir()
    assert explain(caught.value).where == str(tmp_path / "file" / "run")
