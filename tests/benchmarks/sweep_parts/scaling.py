"""(g) What a trial costs, and how much memory a sweep needs, with few and with many trials."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from report import print_table
from sweep_parts.commands import ALTERNATIVES, OURS, Sweep
from sweep_parts.turns import time_with_memory


def print_scaling(counts: Sequence[int], trial_s: Callable[[float, int], float]) -> None:
    """Run ours once with each number of trials.

    Args:
        counts: numbers of trials.
        trial_s: turns the seconds of a whole command and its number of trials into the cost of one.
    """
    rows: list[list[str]] = []
    before = (0, 0.0)
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            command = ALTERNATIVES[OURS].command(Sweep(n_trials=count))
            whole_s, memory = time_with_memory(command, Path(folder))
        shown = "unknown" if memory is None else f"{memory / 1e6:.0f}"
        cost_ms = trial_s(whole_s, count) * 1e3
        more_ms = (whole_s - before[1]) / (count - before[0]) * 1e3
        more = f"{more_ms:.1f}" if rows else ""
        rows.append([str(count), f"{whole_s:.1f}", f"{cost_ms:.1f}", more, shown])
        before = (count, whole_s)
        print(f"timed {count} trials: {whole_s:.1f} s", flush=True)
    header = ["trials", "whole [s]", "per trial [ms]", "each more [ms]", "memory [MB]"]
    print_table("(g) ours with few and with many trials, hidden units 8 to 256", header, rows)
