import io

import pytest

from ermlab.results import progress
from ermlab.results.progress import tell_progress


class Stream(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time [s], which stands still unless a test moves it."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def go_through(clock: list[float], step_s: float, is_terminal: bool) -> str:
    stream = Stream(is_terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        for _ in tell_progress(range(4), "read runs"):
            clock[0] += step_s
    return stream.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_is_short_tells_nothing(clock: list[float], is_terminal: bool) -> None:
    assert go_through(clock, 0.4, is_terminal) == ""


def test_a_log_gets_a_line_now_and_then(clock: list[float]) -> None:
    assert go_through(clock, 6.0, False) == "read runs: 2 of 4 (50%)\nread runs: 4 of 4 (100%)\n"


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end(clock: list[float]) -> None:
    text = go_through(clock, 3.0, True)
    assert "\r[##########          ] read runs: 2 of 4 (50%)" in text
    assert text.endswith("\r\x1b[K")


def test_an_error_on_the_way_clears_the_bar(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(is_terminal=True)
    monkeypatch.setattr("sys.stderr", stream)
    items = tell_progress(range(4), "read runs")
    next(items)
    clock[0] = 5.0
    next(items)
    items.close()
    assert stream.getvalue().endswith("\r\x1b[K")
