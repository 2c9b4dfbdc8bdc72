"""Ctrl-C while a single run trains: the first asks it to pause after the present step.

Where to pause is decided in `loop/single.py`; here the signal becomes a question.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

TOLD = b"\nCtrl-C: ends after this step; once more: at once\n"


@contextmanager
def pausing() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C was pressed; a second one interrupts at once.

    Outside the main thread, and where SIGINT is ignored or somebody else's, all stays as it is.
    """
    asked = threading.Event()
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

    def take(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        asked.set()
        os.write(2, TOLD)  # a stream may be in the middle of writing

    try:
        if is_ours:
            signal.signal(signal.SIGINT, take)
        yield asked.is_set
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
