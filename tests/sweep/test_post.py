"""Questions between processes: answered for who has the key, and for nobody else."""

import json
import pickle
import stat
from dataclasses import replace
from multiprocessing import AuthenticationError

import pytest

from ermlab import rundir
from ermlab.errors import TrialError
from ermlab.sweep import post
from ermlab.trial.reports import Report


class Counter:
    def __init__(self):
        self.total = 0

    def add(self, n):
        if n < 0:
            raise ValueError("below zero")
        self.total += n
        return self.total


def test_calls_are_answered_in_order_over_several_connections():
    calls = post.Calls(Counter(), ("add",))
    with (
        post.Server(calls.answer) as server,
        post.connect(server.address) as first,
        post.connect(server.address) as second,
    ):
        assert post.call(first, ("add", 2)) == 2
        assert post.call(second, ("add", 3)) == 5
        assert post.call(first, ("add", 1)) == 6


def test_an_error_is_kept_and_ends_everyone():
    calls = post.Calls(Counter(), ("add",))
    with post.Server(calls.answer) as server, post.connect(server.address) as connection:
        with pytest.raises(post.Ended):
            post.call(connection, ("add", -1))
        with pytest.raises(post.Ended):
            post.call(connection, ("add", 1))
    assert str(calls.error) == "below zero"


def test_who_does_not_know_the_key_is_refused_and_the_others_are_still_answered():
    counter = Counter()
    with post.Server(post.Calls(counter, ("add",)).answer) as server:
        with pytest.raises((AuthenticationError, EOFError, OSError)):
            post.connect(replace(server.address, key=b"another"))
        with post.connect(server.address) as connection:
            assert post.call(connection, ("add", 1)) == 1


def test_a_server_listens_on_loopback_only():
    with post.Server(lambda question: question) as server:
        assert server._listener.address[0] == "127.0.0.1"


def test_a_job_finds_who_prunes_it_in_the_folder_of_the_sweep(tmp_path):
    assert post.find_judge(tmp_path) is None
    told = []

    def judge(reports):
        told.extend(reports)
        return [each.value < 1 for each in reports]

    with post.Server(post.answer_reports(judge)) as server:
        post.write_address(tmp_path, server.address)
        mode = (tmp_path / rundir.PRUNER).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600  # it holds the key
        found = post.find_judge(tmp_path)
        reports = [Report(job=4, index=0, value=0.5), Report(job=5, index=2, value=float("inf"))]
        assert list(found(reports, 7)) == [True, False]
        assert told == reports


def test_a_job_is_never_answered_with_a_pickle(tmp_path):
    class Canary:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    with post.Server(lambda question: pickle.dumps(Canary())) as server:
        post.write_address(tmp_path, server.address)
        judge = post.find_judge(tmp_path)
        with pytest.raises(ValueError):  # noqa: PT011  # UnicodeDecodeError or JSONDecodeError
            judge([Report(job=0, index=0, value=1.0)], 0)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"host": "127.0.0.1", "port": 1, "key": "00"}', '{"host": 3, "port": "x"}'],
)
def test_an_address_that_leads_nowhere_is_told_in_words(content, tmp_path):
    (tmp_path / rundir.PRUNER).write_text(content)
    with pytest.raises(TrialError, match="cannot be reached"):
        post.find_judge(tmp_path)


def test_an_address_is_written_anew_over_a_stale_one(tmp_path):
    (tmp_path / rundir.PRUNER).write_text("stale")
    address = post.Address(host="127.0.0.1", port=5, key=b"k")
    post.write_address(tmp_path, address)
    assert json.loads((tmp_path / rundir.PRUNER).read_text())["port"] == 5
