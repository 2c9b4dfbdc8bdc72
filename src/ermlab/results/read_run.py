"""One run directory as one row, whoever wrote it, and from which files the row was read.

A run of ours that did not finish is in `unfinished.py`, what others left behind in `foreign.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ermlab import rundir
from ermlab.errors import RunDirError, describe_error
from ermlab.results.find import Found
from ermlab.results.foreign import read_foreign_columns
from ermlab.results.stamp import stamp_of
from ermlab.results.unfinished import is_ours, read_config_columns
from ermlab.rundir import Value

FAULTY = "faulty"  # the stamp of nothing: a file that could not be read may be readable next time


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        columns: its values, by name.
        settings: columns that are configuration although their name has no dot, as in other
            applications.
    """

    columns: Mapping[str, Value]
    settings: list[str] = field(default_factory=list)


class Files:
    """Hands out the files of a run, and notes the state in which each was found.

    Args:
        root: the folder that was walked.
        path: of the run directory below it.
    """

    def __init__(self, root: Path, path: str) -> None:
        self.run_dir = root / path
        self._prefix = f"{path}/" if path else ""
        self._root = root
        self.stamps: dict[str, str] = {}

    def note(self, name: Path | str) -> Path:
        """Note a file before it is read, so that a change while it is read shows later.

        Args:
            name: relative to the run directory.

        Returns:
            Where it lies; it may not exist.
        """
        relative = f"{self._prefix}{name}"
        self.stamps[relative] = stamp_of(f"{self._root}/{relative}")
        return self.run_dir / name

    def distrust(self) -> None:
        """Note that a file could not be read, so that the row is read again next time."""
        self.stamps[self._prefix] = FAULTY


def read_run(run: Found, files: Files) -> Row:
    """Read the row of a run.

    Args:
        run: the run directory, below the folder that was walked.
        files: is told of each file that is looked at.
    """
    files.note(rundir.SUMMARY)
    try:
        summary = rundir.read_summary(files.run_dir)
    except RunDirError as error:
        files.distrust()
        columns = _config_columns(files)
        return Row(columns | {"status": "failed", "error": describe_error(error)})
    if summary is None:
        return _read_without_summary(run, files)
    if summary.get("status") == "failed":  # so early, perhaps, that its summary has no keys
        summary = _config_columns(files) | summary
    return Row(summary)


def _read_without_summary(run: Found, files: Files) -> Row:
    config = _config_columns(files)
    is_foreign = run.metrics is not None or ("error" not in config and not is_ours(config))
    if not is_foreign:
        return Row(config | {"status": "unfinished"})
    columns, found = read_foreign_columns(run, files.note, config)
    if "error" in columns:
        files.distrust()
    plain = [name for name in columns if "." not in name and name != "error"]
    return Row(columns | found, plain)


def _config_columns(files: Files) -> dict[str, Value]:
    for name in (rundir.CONFIG, rundir.HYDRA_CONFIG, rundir.OVERRIDES):
        files.note(name)
    columns = read_config_columns(files.run_dir)
    if "error" in columns:
        files.distrust()
    return columns
