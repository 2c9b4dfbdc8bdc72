"""What `ermlab resume DIR` does: trains the rest of an interrupted run or sweep, in its folder."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.types import RunMode

from ermlab import rundir
from ermlab.cli.job import show_run, tell_how_to_resume
from ermlab.cli.messages import end_interrupted
from ermlab.cli.progress import Progress
from ermlab.config.store import register_schemas
from ermlab.errors import RunDirError
from ermlab.foreign import check_folder
from ermlab.results.find import has_run
from ermlab.sweep.permitted import check_command
from ermlab.sweep.recorded import RecordedTrial, as_in_run, read_trial
from ermlab.sweep.resume import find_command
from ermlab.trial.run import Resume, run_trial
from ermlab.trial.targets import allowed_targets
from ermlab.trial.tracking import finish_tracking


def resume_command(path: Path, *, force: bool, allow: Sequence[str], trust: bool = False) -> None:
    """Continue what was interrupted, and print its table.

    Args:
        path: a run directory, or that of a sweep of the sweeper `study`.
        force: whether to go on from a checkpoint of another configuration, version, device or data,
            or with a sweep that asks something else.
        allow: patterns of further `_target_`s that configurations may call.
        trust: whether the record of a sweep may ask for more than `permitted.py` lets a stranger's.

    Raises:
        ErmlabError: there is no run here, or it cannot be continued; its files are as before.
        SystemExit: Ctrl-C or SIGTERM, after a word on how to continue.
    """
    allowed = allowed_targets(allow)
    register_schemas()
    if _is_sweep(path):
        _resume_sweep(path, force=force, trust=trust, allow=allow)
    else:
        _resume_run(path, force=force, allow=allowed)


def _is_sweep(path: Path) -> bool:
    return (path / rundir.MULTIRUN).is_file() or (not rundir.is_run_dir(path) and has_run(path))


def _resume_sweep(path: Path, *, force: bool, trust: bool, allow: Sequence[str]) -> None:
    """Give the command that began a sweep once more: its study goes on where it was."""
    from ermlab.cli.main import run_hydra  # it imports this module's caller

    command = find_command(path)
    check_folder(path)
    if not trust:
        check_command(command)
    if command.folder is not None:
        # The folder may be a stranger's: modules in it are not found, by worker processes neither.
        sys.path = [entry for entry in sys.path if entry]
        os.environ["PYTHONSAFEPATH"] = "1"
        os.chdir(command.folder)
    changed = ["hydra.sweeper.go_on_changed=true"] if force else []
    sys.argv = [sys.argv[0], *command.words, *changed]
    try:
        run_hydra(allow)
    except KeyboardInterrupt as interrupt:
        end_interrupted(interrupt)  # Typer would end by itself, without a word


def _resume_run(path: Path, *, force: bool, allow: Sequence[str]) -> None:
    if not rundir.is_run_dir(path):
        raise RunDirError(
            "there is no run directory here",
            where=str(path),
            fix="name an interrupted run (outputs/DATE/TIME) or sweep (multirun/DATE/TIME)",
        )
    check_folder(path)
    trial, summary = read_trial(path), rundir.read_summary(path)
    run_dir = path.resolve()  # the trial may run in another working directory
    if summary is None or summary.get("status") == "failed":
        _train(trial, run_dir, Resume(force=force), allow)
    else:
        sys.stderr.write(f"there is nothing to resume: the run is {summary.get('status')}\n")
    show_run(trial.config, run_dir)


def _train(trial: RecordedTrial, run_dir: Path, resume: Resume, allow: Sequence[str]) -> None:
    folder = Path.cwd()
    try:
        with Progress() as progress, as_in_run(trial, allow=allow) as config:
            run_trial(
                config,
                run_dir=run_dir,
                choices=trial.choices,
                allow=allow,
                is_sweep=trial.hydra.mode == RunMode.MULTIRUN,
                on_check=progress.show,
                resume=resume,
            )
    except KeyboardInterrupt as interrupt:
        finish_tracking(run_dir)
        end_interrupted(interrupt, tell_how_to_resume(run_dir, folder))
