"""Ctrl-C and SIGTERM while a single run trains: the first asks it to pause after the present step.

Where to pause is decided in `loop/single.py`; here the signal becomes a question. SIGTERM is what a
cluster sends before it ends a job.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

TOLD = {
    signal.SIGINT: b"\nCtrl-C: ends after this step; once more: at once\n",
    signal.SIGTERM: b"\nSIGTERM: ends after this step; once more: at once\n",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the process ends as after Ctrl-C, with another exit code."""


class Pause:
    """Tells whether training shall pause: called, it returns a bool."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.kind: type[KeyboardInterrupt] = KeyboardInterrupt

    def __call__(self) -> bool:
        """Whether Ctrl-C was pressed, or SIGTERM came."""
        return self._asked.is_set()

    def take(self, number: int, _: Any) -> None:
        """Note a signal; the next one of its kind interrupts at once."""
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else terminate)
        self.kind = KeyboardInterrupt if number == signal.SIGINT else Terminated
        self._asked.set()
        os.write(2, TOLD[signal.Signals(number)])  # a stream may be in the middle of writing


def terminate(*_: Any) -> NoReturn:
    """Be the handler of SIGTERM: interrupt as Ctrl-C does."""
    raise Terminated


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """The shell's code of a process that a signal ended: 128 and the number of the signal."""
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)


def end_gently() -> None:
    """Let SIGTERM interrupt this process from now on, unless somebody handles it already."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminate)


@contextmanager
def pausing() -> Iterator[Pause]:
    """Give what tells whether a signal came; a second one interrupts at once.

    Outside the main thread, and where a signal is ignored or somebody else's, all stays as it is.

    Raises:
        Terminated: training was interrupted, and SIGTERM asked for it.
    """
    pause = Pause()
    ours = {
        signal.SIGINT: (signal.default_int_handler,),
        signal.SIGTERM: (signal.SIG_DFL, terminate),
    }
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in ours} if is_main else {}
    taken = {number: handler for number, handler in before.items() if handler in ours[number]}
    try:
        for number in taken:
            signal.signal(number, pause.take)
        yield pause
    except KeyboardInterrupt as interrupt:
        if pause.kind is Terminated and not isinstance(interrupt, Terminated):
            raise Terminated from interrupt
        raise
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
