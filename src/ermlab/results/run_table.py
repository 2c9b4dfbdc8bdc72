"""Shows one run in the terminal: its losses, when they were reached, and where its files are."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ermlab.rundir import read_summary

ROWS = {
    "status": "status",
    "train_loss": "train loss",
    "valid_loss": "validation loss (lowest)",
    "test_loss": "test loss (best model)",
    "test_loss_last": "test loss (last model)",
    "generalization_gap": "generalization gap",
    "valid_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
    "best_step": "best step (from 0)",
    "steps": "steps",
    "n_parameters": "parameters",
    "wall_s": "seconds",
}


def print_run(run_dir: Path, console: Console | None = None) -> None:
    """Print the summary of a finished run as a small table, and its directory.

    Args:
        run_dir: a run directory; an unfinished one prints only its path.
        console: where to print; the terminal if None.
    """
    console = console or Console(highlight=False)
    summary = read_summary(run_dir) or {}
    table = Table.grid(padding=(0, 2))
    for column, title in ROWS.items():
        value = summary.get(column)
        if value is not None:
            table.add_row(title, f"{value:#.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    if summary.get("data.standardize") == "inputs_and_targets":
        console.print("losses are those of standardized targets (data.standardize)")
    console.print(f"run directory: {run_dir}", markup=False, soft_wrap=True)
