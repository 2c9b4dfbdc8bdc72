"""The files of trials that train together: histories, weights and summaries, one folder each."""

import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import save

from ermlab import rundir
from ermlab.data.columns import describe_columns
from ermlab.errors import ErmlabError, describe_error
from ermlab.loop.check import Check, Outcome
from ermlab.loop.learner import Learner
from ermlab.trial.build import Trial
from ermlab.trial.provenance import find_git_sha, find_versions
from ermlab.trial.tracking import finish_tracking, track_row

WEIGHTS = {"best": rundir.BEST, "last": rundir.LAST}


class RunFiles:
    """What K trials write while they train. Use as a context manager.

    Args:
        run_dirs: an existing folder for each trial.
        n_kept: rows to keep of the histories that are there.
    """

    def __init__(self, run_dirs: Sequence[Path], n_kept: int = 0) -> None:
        self._run_dirs = list(run_dirs)
        self._n_kept = n_kept
        self._histories: list[rundir.HistoryWriter] = []

    def __enter__(self) -> "RunFiles":
        for run_dir in self._run_dirs:
            self._histories.append(rundir.HistoryWriter(run_dir, self._n_kept).__enter__())
        return self

    def enter(self, place: int, run_dir: Path) -> None:
        """Write what the trial in a place does from now on to another folder.

        Args:
            place: one that there is, or the next after the last.
            run_dir: the folder, which exists.
        """
        history = rundir.HistoryWriter(run_dir).__enter__()
        if place == len(self._histories):
            self._histories.append(history)
            self._run_dirs.append(run_dir)
            return
        self._histories[place].close()
        self._histories[place], self._run_dirs[place] = history, run_dir

    def n_rows(self, trial: int) -> int:
        """Rows in the history of a trial."""
        return self._histories[trial].n_rows

    def __exit__(self, *error: Any) -> None:
        for history in self._histories:
            history.close()

    def record(self, check: Check) -> None:
        """Append a row to the history of each trial that is due."""
        for trial, row in _rows(check):
            self._histories[trial].append(row)
            track_row(self._run_dirs[trial], row)

    def store(self, name: str, trial: int, learner: Learner) -> None:
        """Write the present weights of a trial as "best" or "last"."""
        weights = learner.weights(trial).items()
        content = save({key: value.cpu().contiguous() for key, value in weights})
        rundir.write_bytes(self._run_dirs[trial] / WEIGHTS[name], content)


def clear_run(run_dir: Path, *, is_continued: bool = False) -> None:
    """Remove what an earlier run left in a folder, the summary first: it is unfinished from now.

    Args:
        run_dir: the folder.
        is_continued: whether its checkpoint is kept, to be continued from.
    """
    rundir.remove_leftovers(run_dir)
    names = [rundir.SUMMARY, rundir.TRACEBACK, rundir.BEST, rundir.LAST]
    names += [rundir.STANDARDIZATION, rundir.COLUMNS]
    for name in names if is_continued else [*names, rundir.CHECKPOINT]:
        with rundir.storage_errors(run_dir / name):
            (run_dir / name).unlink(missing_ok=True)


def write_standardization(trial: Trial, run_dir: Path) -> None:
    """Write what columns there are and what was done to them, so that new rows are treated alike.

    Nothing that was done leaves no file of it.
    """
    rundir.write_json(run_dir / rundir.COLUMNS, describe_columns(trial.parts.data).to_dict())
    standardizer = trial.parts.data.standardizer
    if standardizer is not None:
        rundir.write_json(run_dir / rundir.STANDARDIZATION, standardizer.to_dict())


def write_outcome(
    run_dir: Path,
    trial: Trial,
    outcome: Outcome,
    columns: Mapping[str, Any],
    *,
    started_s: float,
    wall_s: float,
    stack_size: int,
) -> dict[str, Any]:
    """Write the summary of a trial that ended, and return its columns.

    Args:
        run_dir: its folder.
        trial: what was trained.
        outcome: how it ended.
        columns: its configuration (see `flatten_config`).
        started_s: when its training began, of one that was continued as if it had not paused
            [s since 1970, UTC].
        wall_s: seconds it took; in a stack, its share of them.
        stack_size: K, trials that were trained together.
    """
    started = datetime.fromtimestamp(started_s, UTC)
    summary = {
        "status": outcome.status,
        "started_at": started.isoformat(timespec="milliseconds"),
        "wall_s": round(wall_s, 6),
        **_losses(outcome),
        "n_parameters": trial.n_parameters,
        **columns,
        "device": trial.device.type,
        "stack_size": stack_size,
        "error": None,
        **_provenance(),
    }
    rundir.write_summary(run_dir, summary)
    with suppress(OSError):  # left there, it does no harm: the run has its summary
        (run_dir / rundir.CHECKPOINT).unlink(missing_ok=True)
    return summary


def write_failure(
    run_dir: Path, columns: Mapping[str, Any], error: Exception, *, wall_s: float
) -> ErmlabError | None:
    """Leave a row with status `failed`, and the traceback beside it.

    Returns:
        None, or what hindered the writing: then the folder stays unfinished.
    """
    summary = {
        "status": "failed",
        "wall_s": round(wall_s, 6),
        **columns,
        "stack_size": 1,
        "error": describe_error(error),
        **_provenance(),
    }
    try:
        rundir.write_whole(run_dir / rundir.TRACEBACK, "".join(traceback.format_exception(error)))
        rundir.write_summary(run_dir, summary)
    except ErmlabError as unwritten:
        return unwritten
    finally:
        finish_tracking(run_dir)
    return None


def _rows(check: Check) -> Iterator[tuple[int, dict[str, float]]]:
    """Make a row for each trial that is due, with its place."""
    steps, epochs, wall_s = (each.tolist() for each in (check.step, check.epoch, check.wall_s))
    values = {name: value.tolist() for name, value in check.values.items()}
    for trial, is_due in enumerate(check.due.tolist()):
        if is_due:
            row = {"step": steps[trial], "epoch": round(epochs[trial], 6)}
            row |= {name: value[trial] for name, value in values.items()}
            row["wall_s"] = round(wall_s[trial], 6)
            yield trial, row


def _losses(outcome: Outcome) -> dict[str, Any]:
    values = dict(outcome.values)
    head = ("train_loss", "valid_loss", "test_loss", "test_loss_last")
    losses: dict[str, Any] = {name: values.pop(name, None) for name in head}
    test, train = losses["test_loss"], losses["train_loss"]
    gap = None if test is None or train is None else test - train
    return {
        **losses,
        "generalization_gap": gap,
        **values,
        "best_step": outcome.best_step,
        "steps": outcome.steps,
        "epochs": round(outcome.epochs, 6),
    }


def _provenance() -> dict[str, Any]:
    return {
        "git_sha": find_git_sha(os.getcwd()),  # noqa: PTH109  # a cache key, so a plain string
        **find_versions(),
        "format": rundir.FORMAT,
    }
