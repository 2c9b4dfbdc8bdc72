"""What a tracker is: methods that a run calls, from a thread beside the training.

The option `tracker=none` is no tracker at all. When the methods are called, and what happens if one
fails or hangs, is in `trial/tracking.py`. A tracker of a user's own needs these methods and a YAML
file with its `_target_`; one may have a fourth, `amend(added, run_dir)`, for what is measured of a
run after its end: the test losses of a sweep's winner. It is called of a new tracker, in place of
the others.
"""

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ermlab import rundir
from ermlab.errors import ConfigError, RunDirError
from ermlab.rundir import Value

ARTIFACTS = (rundir.BEST, rundir.HISTORY, rundir.CURVE)


class Tracker(Protocol):
    """Follows one run; a run that is continued begins with the rows that it has."""

    def start(self, config: Mapping[str, Value], run_dir: Path) -> None:
        """Begin a run.

        Args:
            config: its configuration by dotted key.
            run_dir: its folder.
        """
        ...

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take in a validation: the step, from 0, and losses, which may be NaN or infinite."""
        ...

    def finish(self, summary: Mapping[str, Value], run_dir: Path) -> None:
        """End the run.

        Args:
            summary: what its summary has beside the configuration, `status` first of all.
            run_dir: its folder with weights, history and picture, as far as the run came.
        """
        ...


def load_package(package: str, *, extra: str) -> None:
    """Import a tracker's package in the thread of the training, before that begins.

    Some packages draw from Python's random generator when they are imported, which would shift the
    numbers of a model that draws from it too.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import_module(package)
    except ImportError as error:
        raise ConfigError(
            f"tracker={extra} needs the package {package}: {error}",
            where="tracker",
            fix=f"install it: pip install 'ermlab[{extra}]'; or leave the tracker out",
        ) from error


def name_run(run_dir: Path) -> str:
    """Name a run by the last two parts of its path: the time of a sweep and the number in it."""
    return "/".join(run_dir.absolute().parts[-2:])


def find_artifacts(run_dir: Path) -> list[Path]:
    """List the files that belong to a run beside its numbers: best weights, history, picture."""
    return [run_dir / name for name in ARTIFACTS if (run_dir / name).is_file()]


def last_step(run_dir: Path) -> int:
    """Give the step of the last validation of a run, with which its summary was logged."""
    return int(rundir.read_history(run_dir)["step"][-1])


def unknown_run(run_dir: Path) -> RunDirError:
    """Say that a tracker has no run to add something to."""
    return RunDirError(
        "the tracker does not know this run, so the test losses are not added there",
        where=str(run_dir),
        fix=f"they stand in {rundir.SUMMARY}",
    )


def pick_numbers(summary: Mapping[str, Value]) -> dict[str, float]:
    """Take the finite numbers out of a summary."""
    return {
        name: value
        for name, value in summary.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
