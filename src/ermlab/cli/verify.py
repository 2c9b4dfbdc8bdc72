"""What `ermlab verify DIR...` shows: a row for each trial, the columns, and the verdict."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ermlab.cli.progress import Progress
from ermlab.config.store import register_schemas
from ermlab.results.find import find_run_dirs
from ermlab.results.fold import describe_folder, shorten_run_dirs
from ermlab.results.table import write_table
from ermlab.sweep.deviation import TOLERANCES
from ermlab.sweep.verify import Verified, choose_trials, verify_trial
from ermlab.trial.targets import allowed_targets

if TYPE_CHECKING:
    import pandas as pd


def verify_command(dirs: Sequence[Path], *, n_trials: int, seed: int, allow: Sequence[str]) -> bool:
    """Train random trials of a stacked sweep again alone, and print how far they are from it.

    Args:
        dirs: run directories, sweep directories, or folders above them.
        n_trials: how many trials, >= 1.
        seed: of their choice.
        allow: patterns of further `_target_`s that configurations may call.

    Returns:
        Whether every trial agrees, chaotic ones aside.

    Raises:
        ErmlabError: there is no such trial, or one cannot be trained again.
    """
    allowed = allowed_targets(allow)
    register_schemas()
    chosen, n_candidates = choose_trials(find_run_dirs(dirs), n_trials=n_trials, seed=seed)
    done: list[Verified] = []
    with Progress() as progress:
        for place, run_dir in enumerate(chosen, 1):
            progress.start(f"trial {place} of {len(chosen)}")
            done.append(verify_trial(run_dir, allow=allowed, on_check=progress.show))
    trials = _trial_table(done)
    write_table(shorten_run_dirs(trials), "table", notes=[*describe_folder(trials), ""])
    write_table(_column_table(done), "table", notes=[_conclude(done, n_candidates)])
    return all(each.verdict != "differs" for each in done)


def _trial_table(done: Sequence[Verified]) -> "pd.DataFrame":
    import pandas as pd

    table = pd.DataFrame(
        {
            "run_dir": [str(each.run_dir) for each in done],
            "stack_size": [each.stack_size for each in done],
            "deviation": [each.deviation for each in done],
            "column": [each.column for each in done],
            "reference_moves": [each.moved for each in done],
            "verdict": [_verdict(each) for each in done],
        }
    )
    is_asked = any(each.moved is not None for each in done)
    return table if is_asked else table.drop(columns="reference_moves")


def _verdict(each: Verified) -> str:
    return "agrees (tie)" if each.verdict == "agrees" and each.is_tie else each.verdict


def _column_table(done: Sequence[Verified]) -> "pd.DataFrame":
    """Give the largest deviation of each column that deviates, and the run it is of."""
    import pandas as pd

    names = dict.fromkeys(name for each in done for name in each.deviations)
    rows = []
    for name in names:
        sizes = [each.deviations.get(name, 0.0) for each in done]
        if max(sizes) > 0:
            rows.append((name, max(sizes), done[sizes.index(max(sizes))].run_dir.name))
    return pd.DataFrame(rows, columns=["column", "largest deviation", "of run"])


def _conclude(done: Sequence[Verified], n_candidates: int) -> str:
    told = f"{len(done)} of {n_candidates} stacked trials trained again alone"
    allowed = ", ".join(
        f"{TOLERANCES[dtype]:g} in {dtype}" for dtype in sorted({each.dtype for each in done})
    )
    wrong = [each for each in done if each.verdict == "differs"]
    n_chaotic = sum(each.verdict == "chaotic" for each in done)
    if wrong:
        worst = max(wrong, key=lambda each: each.deviation)
        return (
            f"{told}: {len(wrong)} differ by more than rounding ({allowed}), most of all "
            f"{worst.column} of {worst.run_dir}"
        )
    chaotic = f"; {n_chaotic} chaotic: rounding moves the reference itself as far"
    return (
        f"{told}: {len(done) - n_chaotic} agree to rounding ({allowed}){chaotic * (n_chaotic > 0)}"
    )
