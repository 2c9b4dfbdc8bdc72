"""Trains some trials of a stacked sweep again, one by one with the reference learner.

What a run was asked to do is read in `recorded.py`, and its numbers are compared in `deviation.py`.
"""

import logging
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ermlab import rundir
from ermlab.errors import ConfigError, ErmlabError, RunDirError
from ermlab.sweep.deviation import EPS, TOLERANCES, Numbers, beyond, compare, read_numbers
from ermlab.sweep.recorded import RecordedTrial, as_in_run, read_trial
from ermlab.trial.run import OnCheck, run_trial

log = logging.getLogger(__name__)

REPRODUCIBLE = ("completed", "stopped_early", "diverged")  # pruning depends on the other trials


@dataclass(frozen=True, kw_only=True)
class Verified:
    """How one trial of a stack compares with itself trained alone.

    Args:
        run_dir: its run directory.
        stack_size: K, trials that were trained with it.
        dtype: of its numbers.
        deviations: the largest relative deviation of each column.
        column: the one that decides the verdict.
        moved: how far the reference moves in that column if started one bit beside; None if that
            was not asked.
        is_tie: whether the two chose among validation losses that are equal to rounding.
        verdict: "agrees", "chaotic" (so is the reference itself) or "differs".
    """

    run_dir: Path
    stack_size: int
    dtype: str
    deviations: dict[str, float]
    column: str
    moved: float | None
    is_tie: bool
    verdict: str

    @property
    def deviation(self) -> float:
        """The deviation in `column`."""
        return self.deviations[self.column]


def choose_trials(run_dirs: Sequence[Path], *, n_trials: int, seed: int) -> tuple[list[Path], int]:
    """Draw some of the finished trials that were trained in a stack.

    Args:
        run_dirs: run directories of any kind.
        n_trials: how many to draw at most, >= 1.
        seed: of the draw.

    Returns:
        Those drawn, in the order given, and from how many.

    Raises:
        RunDirError: none of them is such a trial.
    """
    candidates = [run_dir for run_dir in run_dirs if _is_candidate(run_dir)]
    if not candidates:
        raise RunDirError(
            f"none of {len(run_dirs)} runs here is a finished trial of a stack",
            where=str(run_dirs[0] if len(run_dirs) == 1 else run_dirs[0].parent),
            fix="name a sweep that was trained with hydra/launcher=stacked",
        )
    drawn = random.Random(seed).sample(range(len(candidates)), min(n_trials, len(candidates)))
    return [candidates[place] for place in sorted(drawn)], len(candidates)


def verify_trial(
    run_dir: Path, *, allow: Sequence[str], on_check: OnCheck | None = None
) -> Verified:
    """Train a trial again alone and compare its numbers.

    Args:
        run_dir: of a finished trial of a stack.
        allow: patterns of the `_target_`s that may be called.
        on_check: told of every check, with the number of steps in all.

    Raises:
        RunDirError: a file of the run is missing or damaged.
        ErmlabError: the trial cannot be trained, such as for a `_target_` that is not allowed.
    """
    found, trial = read_numbers(run_dir), read_trial(run_dir)
    dtype = str(trial.config.dtype)
    if dtype not in TOLERANCES:
        raise ConfigError(
            f"dtype is {dtype}, which has no tolerance",
            where=str(run_dir / rundir.CONFIG),
            fix=f"restore the file; dtype is one of: {', '.join(TOLERANCES)}",
        )
    trial.config.device = found.summary.get("device", trial.config.device)  # `auto` found that one
    trial.config.tracker = {}  # it saw the run itself

    def retrain(*, is_nudged: bool) -> Numbers:
        return _retrain(trial, run_dir, allow=allow, is_nudged=is_nudged, on_check=on_check)

    rtol, eps = TOLERANCES[dtype], EPS[dtype]
    alone = retrain(is_nudged=False)
    apart, is_tie = compare(found, alone, eps=eps)
    largest = {name: max(column, default=0.0) for name, column in apart.items()}
    wrong, verdict, moved = beyond(apart, rtol=rtol), "agrees", None
    column = max(largest, key=lambda name: largest[name])
    if wrong:
        own, _ = compare(retrain(is_nudged=True), alone, eps=eps)
        wrong = beyond(apart, rtol=rtol, moved=own)
        verdict = "differs" if wrong else "chaotic"
        column = max(wrong or largest, key=lambda name: largest[name])
        moved = max(own.get(column, []), default=0.0)
    return Verified(
        run_dir=run_dir,
        stack_size=int(found.summary["stack_size"] or 0),
        dtype=dtype,
        deviations=largest,
        column=column,
        moved=moved,
        is_tie=is_tie,
        verdict=verdict,
    )


def _is_candidate(run_dir: Path) -> bool:
    try:
        summary = rundir.read_summary(run_dir)
    except RunDirError as error:
        log.warning("left out %s: %s", run_dir, error.what)
        return False
    if summary is None or summary.get("status") not in REPRODUCIBLE:
        return False
    stack_size = summary.get("stack_size")
    return isinstance(stack_size, int) and stack_size > 1


def _retrain(
    trial: RecordedTrial,
    run_dir: Path,
    *,
    allow: Sequence[str],
    is_nudged: bool,
    on_check: OnCheck | None,
) -> Numbers:
    with tempfile.TemporaryDirectory(prefix="ermlab-verify-") as folder:
        try:
            with as_in_run(trial, allow=allow) as config:
                run_trial(
                    config,
                    run_dir=Path(folder),
                    choices=trial.choices,
                    allow=allow,
                    is_sweep=True,
                    is_nudged=is_nudged,
                    on_check=on_check,
                )
        except ErmlabError as error:
            told = f"{error.where}, in {run_dir / rundir.CONFIG}"
            raise type(error)(error.what, where=told, fix=error.fix) from error
        return read_numbers(Path(folder))
