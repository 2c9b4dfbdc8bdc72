"""What `ermlab predict RUN_DIR INPUT --output FILE` does: reads rows, maps them, writes columns."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from ermlab import rundir
from ermlab.config.store import register_schemas
from ermlab.data.arrays import Array
from ermlab.data.new_rows import read_new_rows
from ermlab.data.prediction_file import check_output, spread_columns, write_predictions
from ermlab.errors import RunDirError
from ermlab.results.find import has_run
from ermlab.results.load import load_runs
from ermlab.results.select import objective_of, select_runs
from ermlab.sweep.recorded import as_in_run, read_trial
from ermlab.trial.predict import class_names, join_chunks, predict_rows
from ermlab.trial.saved_model import SavedModel, load_saved_model
from ermlab.trial.targets import allowed_targets

CHUNK_ROWS = 65536  # own: a bar that moves, and bounded memory for the values inside the model


def predict_command(
    run_dir: Path,
    source: Path,
    *,
    output: Path,
    model: str,
    device: str,
    overwrite: bool,
    allow: Sequence[str],
) -> None:
    """Apply the model of a run to the rows of a file, and write what it gives to another file.

    Args:
        run_dir: of a run that ended.
        source: a CSV, Parquet or NPZ file (see `read_new_rows`).
        output: the file to write, of one of the same kinds.
        model: "best" or "last".
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: whether to replace a file that is there.
        allow: patterns of further `_target_`s that the run's configuration may call.

    Raises:
        ErmlabError: there is no such model, the rows do not fit it, or the file cannot be written.
    """
    check_output(output, source, overwrite=overwrite)
    saved = load_saved(run_dir, which=model, device=device, allow=allow)
    x = read_new_rows(source, saved.columns)
    columns = join_chunks(predict_rows(saved, rows) for rows in _chunks(x))
    names = {"probability": class_names(saved)} if saved.columns.has_labels else {}
    write_predictions(output, columns, names=names)
    rows = "1 row" if len(x) == 1 else f"{len(x)} rows"
    told = list(spread_columns(columns, names=names))
    shown = ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")
    sys.stdout.write(f"wrote {rows} to {output}: {shown}\n")


def load_saved(run_dir: Path, *, which: str, device: str, allow: Sequence[str]) -> SavedModel:
    """Make the model of a run from its recorded configuration and its weights.

    Args:
        run_dir: of a run that ended.
        which: "best" or "last".
        device: "auto", "cpu", "cuda" or "mps".
        allow: patterns of further `_target_`s that the configuration may call.

    Raises:
        ErmlabError: there is no such model, or it cannot be made.
    """
    if not rundir.is_run_dir(run_dir):
        if has_run(run_dir):
            raise _name_best(run_dir)
        raise RunDirError(
            "there is no run directory here",
            where=str(run_dir),
            fix="name the directory of a run, such as outputs/DATE/TIME or multirun/DATE/TIME/0",
        )
    allowed = allowed_targets(allow)
    register_schemas()
    folder = run_dir.absolute()  # the trial may have run in another working directory
    with as_in_run(read_trial(run_dir), allow=allowed) as config:
        return load_saved_model(config, folder, which=which, device=device, allow=allowed)


def _name_best(folder: Path) -> RunDirError:
    """Say which of the runs in a folder is the best, which a person may want."""
    runs = load_runs(folder)
    best = select_runs(runs, top=1)["run_dir"][0]
    return RunDirError(
        f"this is a folder of {len(runs)} runs, and a prediction is that of one",
        where=str(folder),
        fix=f"name one of them; the best by {objective_of(runs)} is {best}",
    )


def _chunks(x: Array) -> Iterator[Array]:
    starts = range(0, len(x), CHUNK_ROWS)
    console = Console(stderr=True)
    if len(starts) > 1 and not console.is_terminal:
        sys.stderr.write(f"predicting {len(x)} rows\n")
    for start in track(
        starts,
        description="predicting",
        console=console,
        transient=True,
        disable=len(starts) == 1 or not console.is_terminal,
    ):
        yield x[start : start + CHUNK_ROWS]
