"""What is told of a sweep while it runs: in a terminal a bar, elsewhere a line now and then."""

import io
import logging
import sys

import torch

from ermlab.loop.check import Check
from ermlab.sweep import progress
from ermlab.sweep.progress import SweepProgress
from ermlab.sweep.worker import Ended


def check(*losses):
    """A check of trials; None: not due."""
    due = torch.tensor([loss is not None for loss in losses])
    values = torch.tensor([float("nan") if loss is None else loss for loss in losses])
    measured = {"train_loss": values, "valid_loss": values}
    diverged = values.isinf()
    return Check(
        clock=4,
        step=torch.full(due.shape, 3), due=due, epoch=values, values=measured, wall_s=values,
        active=~diverged, diverged=diverged,
    )  # fmt: skip


def test_a_line_counts_finished_alive_diverged_and_failed_trials_and_names_the_best():
    shown = SweepProgress("valid_loss")
    with shown.launch(6):
        shown.begin(6)
        shown.see(check(0.5, None, float("inf")))
        assert shown.describe().startswith("5 alive, 1 diverged, best valid_loss 0.5")
        shown.end(
            [
                Ended(value=0.75, status="completed"),
                Ended(value=float("inf"), status="diverged"),
                Ended(value=ValueError("no"), status="failed"),
            ]
        )
        told = shown.describe()
    assert told.startswith("3 alive, 1 diverged, 1 failed, best valid_loss 0.5, ")
    assert told.endswith(" trials/s")


def test_of_an_accuracy_the_highest_is_the_best():
    shown = SweepProgress("valid_accuracy")
    shown.end([Ended(value=value, status="completed") for value in (0.25, 0.75, 0.5)])
    assert "best valid_accuracy 0.75" in shown.describe()


def test_the_counts_go_on_over_the_launches_of_a_sampler():
    shown = SweepProgress("valid_loss")
    for value in (0.5, 0.25):
        with shown.launch(2):
            shown.begin(1)
            shown.end([Ended(value=value, status="completed")])
    assert shown.describe().startswith("0 alive, best valid_loss 0.25")


def test_where_there_is_no_terminal_plain_lines_are_written(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST_S", 0)
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0)
    shown = SweepProgress("valid_loss")
    with shown.launch(2):
        shown.end([Ended(value=0.5, status="completed")])
    error = capsys.readouterr().err
    assert error.startswith("1 of 2 trials, 0 alive, best valid_loss 0.5")
    assert "\x1b" not in error


def test_in_a_terminal_a_bar_is_drawn_and_the_log_stands_above_it(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out, error = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "__stdout__", out)
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    try:
        shown = SweepProgress("valid_loss")
        with shown.launch(2):
            shown.begin(2)
            logging.getLogger("ermlab").warning("a line of the log")
            shown.end([Ended(value=0.5, status="completed")] * 2)
    finally:
        logging.getLogger().removeHandler(handler)
    assert "2 of 2 trials" in error.getvalue()
    assert "a line of the log" in error.getvalue()  # by way of the bar, which it does not tear
    assert "a line of the log" not in out.getvalue()
    assert handler.stream is out  # as before
