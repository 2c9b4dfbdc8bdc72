"""Run directories as tidy frames: one row per run, or one row per validation of each run.

How the runs of a folder are found and read is in `folder.py`, a history in `history.py`, the file
of an Optuna study in `study_file.py`. Next: `select.py`, which chooses among the rows.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ermlab import rundir
from ermlab.results.find import METRICS, check_paths, find_runs, natural_order, real_path, walk
from ermlab.results.folder import load_folder, make_frame
from ermlab.results.history import HISTORY_COLUMNS as HISTORY_COLUMNS
from ermlab.results.history import parse_histories
from ermlab.results.read_run import Row
from ermlab.results.study_file import is_study_file, read_study, read_study_history
from ermlab.results.tidy import clean_text


def load_runs(*paths: Path | str) -> pd.DataFrame:
    """Load one row per run directory found at or below the given folders.

    What was read of a folder with many runs is kept in a file there, if it can be written, and
    checked against the run directories the next time (see `cache.py`).

    Args:
        paths: run directories, sweep directories, or any folders above them; also the file of an
            Optuna study (SQLite or journal), which gives one row per trial.

    Returns:
        `run_dir`, spelled as the given path and what lies below it, then the columns of
        `summary.json`, in natural order of the paths (0, 1, 2, 10). A value that a run lacks is
        missing (NaN, or NA in columns of whole numbers and bools). A run without summary has the
        status `unfinished` and its configuration; one whose summary cannot be read has the status
        `failed` and the reason in `error`, since one torn file must not hide a thousand others. A
        run of another Hydra application or of Lightning has the status `unknown` (see
        `foreign.py`). `attrs["settings"]` of the frame names such columns that are configuration
        although they have no dot.

    Raises:
        RunDirError: a path does not exist, or has no run directory or trial.
    """
    roots = check_paths(paths)
    if len(roots) == 1 and not is_study_file(roots[0]):
        table = load_folder(roots[0])
        start = str(roots[0] / "_")[:-1]  # a Path for each of 10,000 would cost more than the rest
        return _named(
            table.frame, [f"{start}{path}" if path else str(roots[0]) for path in table.entries]
        )
    found: dict[str, tuple[Path, Row]] = {}  # by real path: overlapping paths give a run once
    for root in roots:
        for name, run_dir, row in _read_root(root):
            found.setdefault(name, (run_dir, row))
    ordered = sorted(found.values(), key=lambda each: natural_order(each[0]))
    return _named(make_frame([row for _, row in ordered]), [str(run_dir) for run_dir, _ in ordered])


def load_history(*paths: Path | str) -> pd.DataFrame:
    """Load one row per validation of each run directory at or below the given folders.

    Args:
        paths: as for `load_runs`.

    Returns:
        `run_dir`, as `load_runs` spells it, and the columns of `history.csv`; losses are NaN or
        infinite where they were. Runs in natural order. The unfinished last line of a killed run
        is left out; a run without history, or (with a warning) with one that may not be read, has
        no rows. Of Lightning's metrics there is one row per step, with our names of the losses; of
        an Optuna study one per intermediate value, in the column `value`.

    Raises:
        RunDirError: a path does not exist, or has no run directory or trial.
    """
    found: dict[str, tuple[Path, Path, bool]] = {}
    studies: list[pd.DataFrame] = []
    for root in check_paths(paths):
        if is_study_file(root):
            studies.append(read_study_history(root))
            continue
        for run in find_runs(root, dict(walk(root, {}))):
            own = root / run.path / rundir.HISTORY
            is_foreign = run.metrics is not None and not own.is_file()
            path = root / str(run.metrics) / METRICS if is_foreign else own
            found.setdefault(real_path(root, run.path), (root / run.path, path, is_foreign))
    ordered = sorted(found.values(), key=lambda each: natural_order(each[0]))
    places, values = parse_histories([(path, is_foreign) for _, path, is_foreign in ordered])
    names = np.array([clean_text(str(run_dir)) for run_dir, _, _ in ordered], dtype=object)
    run_dirs = pd.Series(names[places], dtype=object if values.empty else None)
    values.insert(0, "run_dir", run_dirs)
    if not studies:
        return values
    return pd.concat([values, *studies] if len(values) else studies, ignore_index=True)


def _read_root(root: Path) -> Iterator[tuple[str, Path, Row]]:
    """Give each run or trial: a name that no other has, its path, and its row."""
    if is_study_file(root):
        for trial, row in read_study(root):
            yield str(trial), trial, row
    else:
        table = load_folder(root)
        for path, row in zip(table.entries, table.rows(), strict=True):
            yield real_path(root, path), root / path, row


def _named(frame: pd.DataFrame, run_dirs: Iterable[str]) -> pd.DataFrame:
    if "run_dir" in frame:  # a setting of another application
        frame = frame.drop(columns="run_dir")
    frame.insert(0, "run_dir", pd.Series([clean_text(each) for each in run_dirs]))
    return frame
