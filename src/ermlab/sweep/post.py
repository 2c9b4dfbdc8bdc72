"""Carries questions and answers between the process of a sweep and those that train for it.

A server in the sweep's process listens on loopback, or on the machine's own address for those of a
cluster; whoever connects must know a key that is made anew each time. A launcher's own lanes, which
are started with the key, send pickles; a job of any other launcher finds the address in the sweep's
folder, and sends JSON only, so that a folder from a stranger can make it run nothing.
"""

import json
import logging
import os
import pickle
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from ermlab import rundir
from ermlab.errors import TrialError
from ermlab.trial.reports import Judge, Report

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
KEY_BYTES = 32  # own: nobody guesses it
LOST = (EOFError, OSError, AuthenticationError)


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens, and the key that it asks for."""

    host: str
    port: int
    key: bytes


class Server:
    """Answers questions, each connection in a thread of its own. Use as a context manager.

    Args:
        answer: turns a question's bytes into those of its answer.
        host: address to listen on.
    """

    def __init__(self, answer: Callable[[bytes], bytes], *, host: str = LOOPBACK) -> None:
        self._answer = answer
        key = secrets.token_bytes(KEY_BYTES)
        self._listener = Listener((host, 0), authkey=key)
        self.address = Address(host=host, port=int(self._listener.address[1]), key=key)
        self._is_open = True

    def __enter__(self) -> "Server":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._listener.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                connection = self._listener.accept()
            except LOST:  # closed, or somebody without the key
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        with connection:
            while True:
                try:
                    connection.send_bytes(self._answer(connection.recv_bytes()))
                except LOST:  # who asked has ended
                    return


def connect(address: Address) -> "Connection[Any, Any]":
    """Connect to a server.

    Raises:
        OSError, AuthenticationError: there is none, or another one.
    """
    return Client((address.host, address.port), authkey=address.key)


class Ended(Exception):  # noqa: N818  # as StopIteration, it is no error
    """The sweep is over for the process that asked."""


def call(connection: "Connection[Any, Any]", question: Any) -> Any:
    """Ask the sweep's process something, in one of our own, and return its answer.

    Raises:
        Ended: the sweep is over.
    """
    connection.send_bytes(pickle.dumps(question))
    is_over, answer = pickle.loads(connection.recv_bytes())  # noqa: S301  # it knows the key
    if is_over:
        raise Ended
    return answer


class Calls:
    """Calls methods of an object for `call`: (name, *arguments).

    What one of them raises ends the sweep: it is kept, and every later call is told so.

    Args:
        target: the object.
        names: of the methods that may be called.
    """

    def __init__(self, target: object, names: Sequence[str]) -> None:
        self._target, self._names = target, names
        self.error: Exception | None = None

    def answer(self, question: bytes) -> bytes:
        """Answer one call."""
        name, *arguments = pickle.loads(question)  # noqa: S301  # of a process that knows the key
        assert name in self._names, "asked by our own code"
        value = None
        if self.error is None:
            try:
                value = getattr(self._target, name)(*arguments)
            except Exception as error:  # noqa: BLE001  # raised by whoever holds this
                self.error = error
        return pickle.dumps((self.error is not None, value))


def answer_reports(judge: Callable[[Sequence[Report]], Sequence[bool]]) -> Callable[[bytes], bytes]:
    """Make an `answer` to what `find_judge` asks."""

    def answer(question: bytes) -> bytes:
        reports = [Report(**each) for each in json.loads(question)]
        return json.dumps(list(judge(reports))).encode()

    return answer


def write_address(sweep_dir: Path, address: Address) -> None:
    """Leave an address in the folder of a sweep, for its jobs and nobody else's eyes."""
    path = sweep_dir / rundir.PRUNER
    with rundir.storage_errors(path):
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({**asdict(address), "key": address.key.hex()}, file)


def find_judge(sweep_dir: Path) -> Judge | None:
    """Find who prunes the runs of a sweep, if anyone does.

    Raises:
        TrialError: somebody does, who cannot be reached.
    """
    path = sweep_dir / rundir.PRUNER
    if not path.is_file():
        return None
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        address = Address(
            host=str(read["host"]), port=int(read["port"]), key=bytes.fromhex(read["key"])
        )
        connection = connect(address)
    except (*LOST, KeyError, TypeError, ValueError) as error:
        raise TrialError(
            f"the sweep that prunes this run cannot be reached: {error}",
            where=str(path),
            fix="delete the file if no sweep is running; pruning needs launchers whose jobs run "
            "on the machine of the sweep",
        ) from error

    def judge(reports: Sequence[Report], clock: int) -> Sequence[bool]:
        connection.send_bytes(json.dumps([asdict(each) for each in reports]).encode())
        kept: Sequence[bool] = json.loads(connection.recv_bytes())
        return kept

    return judge
