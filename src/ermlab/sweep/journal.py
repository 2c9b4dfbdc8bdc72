"""The memory of a sweep on disk: a line for each suggestion, report and result, in `study.jsonl`.

A study in memory with this journal costs well under a millisecond per trial, where Optuna's journal
file costs 20 to 34 and SQLite 98 to 207. To go on, the lines are played to a new sampler (see
`study.py`), which restores its state as well: nothing is unpickled. What a killed process had not
finished writing is the last line, and is dropped.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from ermlab import foreign, rundir
from ermlab.errors import RunDirError
from ermlab.lock import locked
from ermlab.sweep.question import Question, read_question

FORMAT = 2  # raised when a line's layout changes; 1 had no reports, starts and clocks
LARGEST_BYTES = 256 * 2**20  # a hundred thousand trials, or five million reports


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A suggestion: the number of the trial and the value of each key."""

    trial: int
    params: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run that began to train: the number of its job, and what the stack's clock showed."""

    job: int
    clock: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a trial reported at a validation, counted from 0, and whether it was pruned then."""

    trial: int
    index: int
    value: float
    is_pruned: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a trial ended.

    Args:
        trial: its number.
        state: Optuna's name of it.
        values: of its objectives, if it has any.
        failed: whether it was hindered.
        clock: what the stack's clock showed, where one process trains in stacks.
    """

    trial: int
    state: str
    values: Sequence[float] | None
    failed: bool = False
    clock: int | None = None


Event = Asked | Started | Judged | Told


class Journal:
    """Appends events, each whole on disk before the next; until `close` no other process may.

    Args:
        path: the file; its folder exists.

    Raises:
        RunDirError: another process goes on with the sweep.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._writing = threading.Lock()  # a run may report while another is asked for
        self._lock = ExitStack()
        self._lock.enter_context(locked(path.parent))

    def begin(self, question: Question, versions: Mapping[str, Any]) -> None:
        """Write what the sweep asks into a new file."""
        self._append({"format": FORMAT, "question": asdict(question), "versions": dict(versions)})

    def asked(self, event: Asked) -> None:
        """Write down a suggestion."""
        self._append({"ask": event.trial, "params": dict(event.params)})

    def started(self, event: Started) -> None:
        """Write down that a run began."""
        self._append({"start": event.job, "clock": event.clock})

    def judged(self, event: Judged) -> None:
        """Write down what a trial reported.

        It does not wait until the trial is told: a run that ended is not trained again, so that
        what it and the others reported until then would be lost with the process. A full disk is
        told of by the next event.
        """
        with suppress(RunDirError):
            self._append({"judged": [[event.trial, event.index, event.value, event.is_pruned]]})

    def told(self, event: Told) -> None:
        """Write down how a trial ended."""
        line: dict[str, Any] = {
            "tell": event.trial,
            "state": event.state,
            "values": event.values,
            "failed": event.failed,
        }
        if event.clock is not None:
            line["clock"] = event.clock
        self._append(line)

    def close(self) -> None:
        """Close the file, and let others write it."""
        if self._file is not None:
            with suppress(OSError):  # of a line that could not be written, which was told
                self._file.close()
            self._file = None
        self._lock.close()

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._writing, rundir.storage_errors(self._path):
            if self._file is None:
                _drop_torn_line(self._path)
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()


def read_journal(path: Path) -> tuple[Question, dict[str, Any], list[Event]]:
    """Read what a sweep has asked and what came of it.

    Returns:
        What it asks, the versions of the packages that began it, and its events in order.

    Raises:
        RunDirError: the file cannot be read, or is not one that a sweep wrote.
    """
    try:
        text = foreign.read_text(path, largest_bytes=LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    lines = text.split("\n")[:-1]  # what follows the last line end was torn
    if not lines:
        raise _damaged(path, "it is empty")
    head = _read_line(path, 1, lines[0])
    if head.get("format") not in (1, FORMAT):
        raise RunDirError(
            f"the study has format {head.get('format')}, this ermlab reads {FORMAT}",
            where=str(path),
            fix="go on with the version of ermlab that began the sweep",
        )
    try:
        question = _question(path, head["question"])
        versions = dict(head["versions"])
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise _damaged(path, f"line 1 does not say what is asked ({error!r})") from error
    return question, versions, list(_read_events(path, lines[1:]))


def _question(path: Path, read: Any) -> Question:
    question = read_question(read)
    if question.replicates < 1:
        raise _damaged(path, f"line 1 asks for {question.replicates} replicates")
    return question


def _read_events(path: Path, lines: Sequence[str]) -> Iterator[Event]:
    n_asked = 0
    open_trials: set[int] = set()
    for number, line in enumerate(lines, 2):
        read = _read_line(path, number, line)
        try:
            if "judged" in read:
                yield from [_judgement(path, number, each) for each in read["judged"]]
                continue
            event = _event(path, number, read)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise _damaged(path, f"line {number} is no event ({error!r})") from error
        if isinstance(event, Asked):
            if event.trial != n_asked:
                raise _damaged(path, f"line {number} asks trial {event.trial}, not {n_asked}")
            n_asked += 1
            open_trials.add(event.trial)
        elif isinstance(event, Told):
            if event.trial not in open_trials:
                raise _damaged(path, f"line {number} ends trial {event.trial}, which is not open")
            open_trials.remove(event.trial)
        yield event


def _event(path: Path, number: int, read: Mapping[str, Any]) -> Event:
    kind = next(name for name in ("ask", "start", "tell") if name in read or name == "tell")
    subject = _whole_number(path, number, read[kind], "the number of a trial")
    clock = read.get("clock")
    if clock is not None:
        _whole_number(path, number, clock, "the clock")
    if kind == "ask":
        return Asked(trial=subject, params=dict(read["params"]))
    if kind == "start":
        return Started(job=subject, clock=read["clock"])
    state, values = read["state"], read["values"]
    if state not in ("COMPLETE", "PRUNED", "FAIL"):
        raise _damaged(path, f"line {number} has {state!r} for the state of a trial")
    return Told(
        trial=subject,
        state=state,
        values=None if values is None else [float(value) for value in list(values)],
        failed=read.get("failed", state == "PRUNED") is True,  # in format 1 none were pruned
        clock=clock,
    )


def _judgement(path: Path, number: int, read: Any) -> Judged:
    trial, index, value, is_pruned = read
    return Judged(
        trial=_whole_number(path, number, trial, "the number of a trial"),
        index=_whole_number(path, number, index, "a validation"),
        value=float(value),
        is_pruned=is_pruned is True,
    )


def _whole_number(path: Path, line: int, value: Any, what: str) -> int:
    if type(value) is not int or value < 0:
        raise _damaged(path, f"line {line} has {value!r} for {what}")
    return value


def _read_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"line {number} is not JSON ({error})") from error
    if not isinstance(read, dict):
        raise _damaged(path, f"line {number} is not a mapping")
    return read


def _drop_torn_line(path: Path) -> None:
    """Cut off what a killed process had begun to write."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())


def _damaged(path: Path, reason: str) -> RunDirError:
    return RunDirError(
        f"cannot read the study: {reason}",
        where=str(path),
        fix="restore the file from a copy, or begin the sweep in another folder "
        "(hydra.sweep.dir=...); the runs beside it stay readable by ermlab results",
    )
