"""The commands beside Hydra's application, as the shell sees them: `plot`, `report`, ....

What they do is in `results/` and `sweep/`, which are imported when a command runs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ermlab.errors import ConfigError, name_known

if TYPE_CHECKING:
    from typer import Typer

DIRS = "Run directories, or folders that hold some."


def run_command(words: Sequence[str], *, allow: Sequence[str]) -> None:
    """Run a command.

    Args:
        words: its name, then its arguments.
        allow: patterns of further `_target_`s that configurations may call.

    Raises:
        ConfigError: there is no such command.
        SystemExit: always at its end; with code 0 if all went well.
    """
    commands: dict[str, Callable[[], Typer]] = {
        "plot": _plot,
        "report": _report,
        "results": _results,
        "resume": lambda: _resume(allow),
        "verify": lambda: _verify(allow),
    }
    name = words[0]
    if name not in commands:
        raise ConfigError(
            f"there is no command {name!r}",
            where="the first word after ermlab",
            fix=f"use one of: {name_known(commands)}; or KEY=VALUE to change the configuration",
        )
    commands[name]()(args=list(words[1:]), prog_name=f"ermlab {name}")


def _results() -> "Typer":
    from typer import Argument, Option, Typer

    app = Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command(name="results")
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

    return app


def _plot() -> "Typer":
    from typer import Argument, Option, Typer

    app = Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command(name="plot")
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

    return app


def _report() -> "Typer":
    from typer import Argument, Option, Typer

    app = Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command(name="report")
    def report(
        dirs: list[Path] = Argument(..., help=DIRS),
        output: Path | None = Option(None, help="File to write; else report.html in the folder."),
    ) -> None:
        """Write one HTML page about the runs, which needs no network: winner, table, pictures."""
        from ermlab.results.report.command import report_command

        report_command(dirs, output=output)

    return app


def _resume(allow: Sequence[str]) -> "Typer":
    from typer import Argument, Option, Typer

    app = Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command(name="resume")
    def resume(
        run_dir: Path = Argument(..., help="Directory of an interrupted run or sweep."),
        force: bool = Option(
            False,
            "--force",
            help="Go on even if the configuration, a version, the device or the data changed; the "
            "numbers are then not those of an undisturbed run.",
        ),
    ) -> None:
        """Continue an interrupted run from its checkpoint, with the numbers of an undisturbed one.

        A run that was interrupted before its first checkpoint starts anew; a failed one is tried
        again. A sweep of hydra/sweeper=study goes on to its original total.
        """
        from ermlab.cli.resume import resume_command

        resume_command(run_dir, force=force, allow=allow)

    return app


def _verify(allow: Sequence[str]) -> "Typer":
    from typer import Argument, Exit, Option, Typer

    app = Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command(name="verify")
    def verify(
        dirs: list[Path] = Argument(..., help=DIRS),
        trials: int = Option(5, min=1, help="How many trials to train again."),
        seed: int = Option(0, min=0, help="Seed of the choice of trials."),
    ) -> None:
        """Train random trials of a stacked sweep again, one by one, and compare the numbers.

        The exit code is 1 if one differs by more than rounding.
        """
        from ermlab.cli.verify import verify_command

        if not verify_command(dirs, n_trials=trials, seed=seed, allow=allow):
            raise Exit(1)

    return app
