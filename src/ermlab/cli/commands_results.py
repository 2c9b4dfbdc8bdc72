"""The commands that show results: `results`, `compare`, `plot`, `report`.

What they do is in `results/`, which is imported when one of them runs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Command: TypeAlias = Callable[..., None]  # whose signature and docstring typer reads

DIRS = "Run directories, or folders that hold some; or the file of an Optuna study."


def make_results() -> Command:
    """Make the command `results`."""
    from typer import Argument, Option

    def results(
        dirs: list[Path] = Argument(..., help=DIRS),
        sort: str | None = Option(None, help="Column to sort by; -COLUMN for the largest first."),
        top: int | None = Option(None, min=1, help="Show this many rows."),
        columns: str | None = Option(None, help="Columns to show, separated by commas."),
        where: str | None = Option(None, help='Rows to show: "optimizer.lr < 0.1".'),
        format: str | None = Option(None, help="table, csv, json, markdown or parquet."),
        output: Path | None = Option(None, help="File to write instead of the terminal."),
    ) -> None:
        """Show one row for each run."""
        from ermlab.results.command import results_command

        results_command(
            dirs,
            sort=sort,
            top=top,
            columns=[columns] if columns else None,
            where=where,
            format=format,
            output=output,
        )

    return results


def make_compare() -> Command:
    """Make the command `compare`."""
    from typer import Argument, Option

    def compare(
        dirs: list[Path] = Argument(..., help=DIRS),
        by: str = Option(..., help="Keys or groups, separated by commas: model,optimizer.lr."),
        column: str | None = Option(None, help="What to compare; else what the runs optimize."),
        where: str | None = Option(None, help='Runs to compare: "optimizer.lr < 0.1".'),
        pair: tuple[str, str] | None = Option(
            None, help="Two groups to compare, named by their values: linear two_layer."
        ),
        format: str | None = Option(None, help="table, csv, json, markdown or parquet."),
        output: Path | None = Option(None, help="File to write instead of the terminal."),
    ) -> None:
        """Compare groups of runs over their seeds, each with the best.

        Shows n, mean and 95 % interval of each group, which groups cannot be told from the best,
        and which number to quote for the winner.
        """
        from ermlab.results.compare_command import compare_command

        compare_command(
            dirs, by=[by], column=column, where=where, pair=pair, format=format, output=output
        )

    return compare


def make_plot() -> Command:
    """Make the command `plot`."""
    from typer import Argument, Option

    def plot(
        dirs: list[Path] = Argument(..., help=DIRS),
        kind: str = Option(
            "curves", help="curves, slice, heatmap, parallel, importance, pareto or timeline."
        ),
        x: str | None = Option(None, help="Key along the horizontal axis of a heat map."),
        y: str | None = Option(None, help="Key along its vertical axis."),
        columns: str | None = Option(None, help="Two columns, joined by a comma, for pareto."),
        output: Path | None = Option(None, help="File to write: .png, .svg or .html."),
    ) -> None:
        """Draw the runs into a picture; without --output into KIND.png in the first folder."""
        from ermlab.results.plots.command import plot_command

        plot_command(dirs, kind=kind, x=x, y=y, columns=columns, output=output)

    return plot


def make_report() -> Command:
    """Make the command `report`."""
    from typer import Argument, Option

    def report(
        dirs: list[Path] = Argument(..., help=DIRS),
        output: Path | None = Option(None, help="File to write; else report.html in the folder."),
    ) -> None:
        """Write one HTML page about the runs, which needs no network: winner, table, pictures."""
        from ermlab.results.report.command import report_command

        report_command(dirs, output=output)

    return report
