"""The commands that do something with trained runs: `resume`, `verify`, `transfer`, `predict` and
`dashboard`.

What they do is in files of their names, which are imported when one of them runs.
"""

from collections.abc import Sequence
from pathlib import Path

from ermlab.cli.commands_results import Command


def make_resume(allow: Sequence[str]) -> Command:
    """Make the command `resume`."""
    from typer import Argument, Option

    def resume(
        run_dir: Path = Argument(..., help="Directory of an interrupted run or sweep."),
        force: bool = Option(
            False,
            "--force",
            help="Go on even if the configuration, a version, the device or the data changed; the "
            "numbers are then not those of an undisturbed run.",
        ),
        trust: bool = Option(
            False,
            "--trust",
            help="Let a sweep's record ask for more than trials need: a database, variables, "
            "another launcher. Only for folders that you or yours have written.",
        ),
    ) -> None:
        """Continue an interrupted run from its checkpoint, with the numbers of an undisturbed one.

        A run that was interrupted before its first checkpoint starts anew; a failed one is tried
        again. A sweep of hydra/sweeper=study goes on to its original total.
        """
        from ermlab.cli.resume import resume_command

        resume_command(run_dir, force=force, trust=trust, allow=allow)

    return resume


def make_verify(allow: Sequence[str]) -> Command:
    """Make the command `verify`."""
    from typer import Argument, Exit, Option

    def verify(
        dirs: list[Path] = Argument(..., help="Run directories, or folders that hold some."),
        trials: int = Option(5, min=1, help="How many trials to train again."),
        seed: int = Option(0, min=0, help="Seed of the choice of trials."),
    ) -> None:
        """Train random trials of a stacked sweep again, one by one, and compare the numbers.

        The exit code is 1 if one differs by more than rounding.
        """
        from ermlab.cli.verify import verify_command

        if not verify_command(dirs, n_trials=trials, seed=seed, allow=allow):
            raise Exit(1)

    return verify


def make_transfer(allow: Sequence[str]) -> Command:
    """Make the command `transfer`."""
    from typer import Argument

    def transfer(
        words: list[str] = Argument(
            ..., metavar="DIR... data.KEY=A,B...", help="Runs or sweeps, and what the data become."
        ),
    ) -> None:
        """Evaluate trained models on other data, such as larger graphs, without training.

        The test losses become columns of the runs: transfer_loss_n_nodes_500 for data.n_nodes=500.
        """
        from ermlab.cli.transfer import transfer_command

        transfer_command(words, allow=allow)

    return transfer


def make_predict(allow: Sequence[str]) -> Command:
    """Make the command `predict`."""
    from typer import Argument, Option

    def predict(
        run_dir: Path = Argument(..., help="Directory of a run that has ended."),
        input: Path = Argument(..., help="Rows to predict: a .csv, .parquet or .npz file."),
        output: Path = Option(..., help="File to write: .csv, .parquet or .npz."),
        model: str = Option("best", help="best (lowest validation loss) or last."),
        device: str = Option("auto", help="auto, cpu, cuda or mps."),
        overwrite: bool = Option(False, "--overwrite", help="Replace a file that is there."),
    ) -> None:
        """Apply the trained model of a run to new rows, standardized as in training."""
        from ermlab.cli.predict import predict_command

        predict_command(
            run_dir,
            input,
            output=output,
            model=model,
            device=device,
            overwrite=overwrite,
            allow=allow,
        )

    return predict


def make_dashboard() -> Command:
    """Make the command `dashboard`."""
    from typer import Argument, Option

    def dashboard(
        path: Path = Argument(..., metavar="DIR", help="Directory of a sweep, or a study's file."),
        port: int = Option(8080, min=0, max=65535, help="Port on this machine; 0: a free one."),
    ) -> None:
        """Show the study of a sweep in the browser, live while it runs; Ctrl-C ends it."""
        from ermlab.cli.dashboard import dashboard_command

        dashboard_command(path, port=port)

    return dashboard
