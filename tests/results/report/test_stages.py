import io
import sys

import pytest

from ermlab.results.report.stages import LONG, Stages


class Terminal(io.StringIO):
    """A stream that says that a person reads it."""

    def isatty(self) -> bool:
        return True


def tell(n_runs: int) -> None:
    with Stages(2, n_runs=n_runs) as stages:
        stages.begin("curves")
        stages.begin("table")


def test_a_log_gets_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    tell(LONG)
    assert capsys.readouterr().err == "report: curves (1 of 2)\nreport: table (2 of 2)\n"


def test_a_short_report_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell(LONG - 1)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    tell(LONG)
    assert "report: curves" in terminal.getvalue()
