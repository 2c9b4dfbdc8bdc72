"""Tells how far a long reading is: a bar in a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

FIRST_S = 2.0  # own: what ends sooner needs no bar
LINE_EVERY_S = 10.0  # own: a log file grows by a line now and then
BAR_EVERY_S = 0.1  # own: ten pictures a second look smooth

_Item = TypeVar("_Item")


def tell_progress(items: Sequence[_Item], what: str) -> Iterator[_Item]:
    """Go through items, and tell on the error stream how many are done.

    Args:
        items: what takes time, one by one.
        what: what is done with them, such as "read runs".
    """
    began = shown = time.monotonic()
    is_drawn = False
    try:
        for done, item in enumerate(items):
            yield item
            now = time.monotonic()
            is_terminal = sys.stderr.isatty()
            pause_s = BAR_EVERY_S if is_terminal else LINE_EVERY_S
            if now - began < FIRST_S or now - shown < pause_s:
                continue
            shown, is_drawn = now, is_terminal
            line = f"{what}: {done + 1} of {len(items)} ({(done + 1) / len(items):.0%})"
            bar = f"\r{_bar(done + 1, len(items))} {line}"
            sys.stderr.write(bar if is_terminal else f"{line}\n")
            sys.stderr.flush()
    finally:
        if is_drawn:
            sys.stderr.write("\r\x1b[K")  # clears the line, so that only the table stays


def _bar(done: int, total: int, width: int = 20) -> str:
    full = width * done // total
    return f"[{'#' * full}{' ' * (width - full)}]"
