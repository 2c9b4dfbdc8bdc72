"""The errors in three parts: how they read, how they travel between processes, one line each."""

import inspect
import pickle

import pytest

from ermlab import errors
from ermlab.errors import ConfigError, ErmlabError, describe_error, name_known

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)
         if issubclass(kind, ErmlabError)]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_reads_as_what_where_and_fix(kind):
    told = str(kind("lr is -1", where="optimizer.lr", fix="set it above 0"))
    assert told == "lr is -1\n  where: optimizer.lr\n  fix:   set it above 0"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_whole_out_of_a_worker_process(kind):
    error = pickle.loads(pickle.dumps(kind("a", where="b", fix="c")))  # noqa: S301  # ours
    assert (type(error), error.what, error.where, error.fix) == (kind, "a", "b", "c")


@pytest.mark.parametrize("missing", ["where", "fix"])
def test_an_error_without_one_of_its_parts_cannot_be_made(missing):
    parts = {"where": "b", "fix": "c"}
    del parts[missing]
    with pytest.raises(TypeError, match=missing):
        ConfigError("a", **parts)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigError("lr is -1", where="b", fix="c"), "ConfigError: lr is -1"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("\n  first\nsecond"), "ValueError: first"),
        (KeyError("a"), "KeyError: 'a'"),
        (ValueError(), "ValueError: no message"),
        (ValueError("  \n "), "ValueError: no message"),
    ],
)
def test_an_error_is_described_in_one_line(error, told):
    assert describe_error(error) == told


@pytest.mark.parametrize(
    ("names", "told"), [(["b", "a"], "a, b"), ([], "none"), (iter(["x"]), "x"), ({"k": 1}, "k")]
)
def test_known_names_are_listed_in_order(names, told):
    assert name_known(names) == told
