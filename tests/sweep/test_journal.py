"""What a sweep writes down it reads back, and nothing else is taken for it."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermlab.errors import RunDirError
from ermlab.sweep.journal import Asked, Journal, Judged, Started, Told, read_journal
from ermlab.sweep.question import Question

QUESTION = Question(space={"a": "{}"}, fixed=["b=1"], directions=["minimize"], replicates=2)
VALUES = st.one_of(st.floats(allow_nan=False), st.integers(-(2**53), 2**53), st.text(max_size=5))


def write(path, events):
    journal = Journal(path)
    journal.begin(QUESTION, {"version_optuna": "5"})
    for event in events:
        write_event = {
            Asked: journal.asked,
            Started: journal.started,
            Judged: journal.judged,
            Told: journal.told,
        }
        write_event[type(event)](event)
    journal.close()


@given(params=st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), max_size=5))
@settings(max_examples=50)
def test_what_is_written_is_read_back(params, tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "study.jsonl"
    events = []
    for trial, each in enumerate(params):
        events.append(Asked(trial=trial, params=each))
        values = None if trial % 2 else [math.inf]
        state = "PRUNED" if trial % 2 else "COMPLETE"
        events.append(Started(job=trial, clock=3 * trial))
        if trial % 2:
            events.append(Judged(trial=trial, index=0, value=1.5, is_pruned=False))
            events.append(Judged(trial=trial, index=1, value=math.inf, is_pruned=True))
        failed, clock = trial % 3 == 0, 7 if trial else None
        events.append(Told(trial=trial, state=state, values=values, failed=failed, clock=clock))
    write(path, events)
    question, versions, read = read_journal(path)
    assert (question, versions, read) == (QUESTION, {"version_optuna": "5"}, events)


EVENTS = [
    Asked(trial=0, params={"a": 0.5}),
    Asked(trial=1, params={"a": 0.25}),
    Told(trial=1, state="COMPLETE", values=[1.5]),
]


def test_a_journal_cut_anywhere_has_the_events_that_were_whole(tmp_path):
    path = tmp_path / "study.jsonl"
    write(path, EVENTS)
    content = path.read_bytes()
    head = content.index(b"\n") + 1
    for end in range(head, len(content) + 1):
        path.write_bytes(content[:end])
        n_whole = content[head:end].count(b"\n")
        assert read_journal(path)[2] == EVENTS[:n_whole]
        journal = Journal(path)
        journal.asked(Asked(trial=9, params={}))  # goes on behind the last whole line
        journal.close()
        assert path.read_bytes().splitlines()[n_whole + 1] == b'{"ask": 9, "params": {}}'


HEAD = {"format": 1, "question": {"space": {}, "fixed": [], "directions": [], "replicates": 1},
        "versions": {}}  # fmt: skip
DAMAGED = {
    "empty": "",
    "no line end": json.dumps(HEAD),
    "no JSON": "{\n",
    "a list": "[]\n",
    "no format": "{}\n",
    "another format": '{"format": 2}\n',
    "no question": '{"format": 1}\n',
    "question a number": '{"format": 1, "question": 3, "versions": {}}\n',
    "replicates a text": json.dumps({**HEAD, "question": {**HEAD["question"], "replicates": "x"}})
    + "\n",
    "replicates zero": json.dumps({**HEAD, "question": {**HEAD["question"], "replicates": 0}})
    + "\n",
    "deep": json.dumps(HEAD) + "\n" + "[" * 100_000 + "\n",
}
WRONG_LINES = [
    "null", "3", '"x"', "{}", '{"ask": 1, "params": {}}', '{"ask": "0", "params": {}}',
    '{"ask": true, "params": {}}', '{"ask": 0}', '{"ask": 0, "params": 3}',
    '{"tell": 0, "state": "COMPLETE", "values": [1]}', '{"tell": 0, "values": [1]}',
    '{"tell": 0, "state": "NONSENSE", "values": [1]}', '{"tell": 0.5}', '{"ask": NaN}',
    '{"ask": 1e999, "params": {}}', '{"__class__": "os.system"}',
]  # fmt: skip
TOLD_TWICE = (
    '{"ask": 0, "params": {}}\n{"tell": 0, "state": "FAIL", "values": null}\n'
    '{"tell": 0, "state": "FAIL", "values": null}'
)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_head_is_told_in_three_parts(name, tmp_path):
    path = tmp_path / "study.jsonl"
    path.write_text(DAMAGED[name])
    with pytest.raises(RunDirError) as told:
        read_journal(path)
    assert told.value.where == str(path)


@pytest.mark.parametrize("line", [*WRONG_LINES, TOLD_TWICE])
def test_a_damaged_line_is_told_with_its_number(line, tmp_path):
    path = tmp_path / "study.jsonl"
    path.write_text(json.dumps(HEAD) + "\n" + line + "\n")
    with pytest.raises(RunDirError, match=r"line \d"):
        read_journal(path)


def test_binary_content_and_a_missing_file_are_told(tmp_path):
    path = tmp_path / "study.jsonl"
    with pytest.raises(RunDirError):
        read_journal(path)
    path.write_bytes(b"\xff\xfe\x00" * 100)
    with pytest.raises(RunDirError):
        read_journal(path)


def test_a_journal_of_format_1_is_read_and_its_pruned_trials_had_failed(tmp_path):
    path = tmp_path / "study.jsonl"
    write(path, [Asked(trial=0, params={})])
    text = path.read_text().replace('"format": 2', '"format": 1')
    path.write_text(text + '{"tell": 0, "state": "PRUNED", "values": null}\n')
    assert read_journal(path)[2][1] == Told(trial=0, state="PRUNED", values=None, failed=True)
