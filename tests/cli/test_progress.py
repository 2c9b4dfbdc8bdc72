"""Progress: nothing for short runs, plain lines in a file, a bar in a terminal."""

import io
import sys

import pytest
import torch

from ermlab.cli import progress
from ermlab.cli.progress import Progress
from ermlab.loop.check import Check


def check(step, loss=0.5):
    values = {"train_loss": torch.tensor([1.0]), "valid_loss": torch.tensor([loss])}
    due = torch.tensor([True])
    return Check(
        clock=4,
        step=torch.tensor([step]), due=due, epoch=torch.ones(1), values=values,
        wall_s=torch.zeros(1), active=due, diverged=~due,
    )  # fmt: skip


class Stream(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_short_run_shows_nothing(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(is_terminal=False))
    with Progress() as shown:
        for step in range(9):
            clock[0] = step * 0.1
            shown.show(check(step), 100)
    assert sys.stderr.getvalue() == ""


def test_a_file_gets_a_plain_line_every_ten_seconds(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(is_terminal=False))
    with Progress() as shown:
        for second in range(31):
            clock[0] = float(second)
            shown.show(check(second, loss=1 / (second + 1)), 100)
    lines = sys.stderr.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "step 11 of 100 (11%)",
        "step 21 of 100 (21%)",
        "step 31 of 100 (31%)",
    ]
    assert "lowest loss 0.03226" in lines[-1]
    assert "\x1b" not in sys.stderr.getvalue()


def test_a_terminal_gets_a_bar_with_the_lowest_loss(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(is_terminal=True))
    with Progress() as shown:
        for second in range(5):
            clock[0] = float(second)
            shown.show(check(second), 100)
    assert "step 5 of 100" in sys.stderr.getvalue()
    assert "lowest loss 0.5" in sys.stderr.getvalue()


def test_a_second_run_has_its_own_title_and_lowest_loss(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(is_terminal=False))
    with Progress() as shown:
        for trial, second in ((1, 11.0), (2, 22.0)):
            clock[0] = second
            shown.start(f"trial {trial} of 2")
            shown.show(check(4, loss=0.1 * trial), 10)
    lines = [line.split(", 1")[0].split(", 2")[0] for line in sys.stderr.getvalue().splitlines()]
    assert lines == [
        "trial 1 of 2: step 5 of 10 (50%), lowest loss 0.1",
        "trial 2 of 2: step 5 of 10 (50%), lowest loss 0.2",
    ]
