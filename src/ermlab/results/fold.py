"""Which columns tell runs apart, and which are the same in all of them and can be said once.

Next: `table.py`, which prints the first as columns and the second as a line beneath.
"""

import os
import re
from dataclasses import dataclass

import pandas as pd

LOSSES = ("train_loss", "valid_loss", "test_loss")

_SETTINGS = ("seed", "dtype", "device", "threads", "objective")  # configuration keys without a dot
_OUTCOMES = ("best_step", "steps", "epochs", "n_parameters", "wall_s", "error")
# Left out of a table unless asked for: derived from other columns, or of interest to few.
_DETAILS = ("generalization_gap", "test_loss_last", "started_at", "stack_size", "format", "git_sha")
_NOISE = re.compile(r"version|host|^hydra\.|_target_$")
# What a reader wants to see where runs differ in it, and to be reminded of where they do not.
_MAIN = (
    "model.hidden_units",
    "optimizer.lr",
    "loop.batch_size",
    "loop.steps",
    "loop.epochs",
    "seed",
    "dtype",
    "device",
)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The columns of a frame of runs, sorted by what they tell.

    Attributes:
        swept: group choices and main keys that differ between the runs, and further keys that
            differ between runs of the same choices (the others follow from the choices).
        results: `status`, the losses that have values, and further results that differ.
        same: group choices and the main keys that are equal in all runs, with their value.
    """

    swept: list[str]
    results: list[str]
    same: dict[str, object]


def fold_columns(frame: pd.DataFrame) -> Fold:
    """Tell the columns in which runs differ from those in which they agree.

    Args:
        frame: one row per run. A value that only unfinished or failed runs lack counts
            as equal.
    """
    names = [str(name) for name in frame.columns if not _NOISE.search(str(name))]
    groups = group_columns(frame)
    keys = setting_columns(frame)
    main = [name for name in keys if name in groups or name in _MAIN]
    swept = {name for name in main if differs(frame, name)}
    for _, alike in frame.groupby(groups, dropna=False) if groups else [((), frame)]:
        swept |= {name for name in set(keys) - swept if differs(alike, name)}
    swept -= {name for name in swept if name != "seed" and _is_seed(frame, name)}
    same = {name: _first(frame, name) for name in main if name not in swept}
    return Fold(
        swept=[name for name in keys if name in swept],
        results=_results(frame, [name for name in names if name not in keys]),
        same={name: value for name, value in same.items() if value is not None},
    )


def setting_columns(frame: pd.DataFrame) -> list[str]:
    """Name the columns that were set: group choices, keys with a dot, and known ones without."""
    names = [str(name) for name in frame.columns if not _NOISE.search(str(name))]
    known = {*group_columns(frame), *_SETTINGS, *frame.attrs.get("settings", ())}
    return [name for name in names if "." in name or name in known]


def group_columns(frame: pd.DataFrame) -> list[str]:
    """Name the columns that tell the chosen option of a group: `model` beside `model.bias`."""
    dotted = {str(name).split(".")[0] for name in frame.columns if "." in str(name)}
    return [str(name) for name in frame.columns if str(name) in dotted]


def describe_same(fold: Fold) -> list[str]:
    """Say in one line what is the same in all runs; no line if that is nothing."""
    pairs = [f"{name}={value}" for name, value in fold.same.items()]
    return [f"same in all runs: {', '.join(pairs)}"] if pairs else []


def describe_folder(frame: pd.DataFrame) -> list[str]:
    """Say in one line which folder `shorten_run_dirs` takes off; no line if there is none."""
    folder = _common_folder(frame["run_dir"])
    return [f"run_dir is below: {folder}"] if folder else []


def shorten_run_dirs(frame: pd.DataFrame) -> pd.DataFrame:
    """Take the folder that all run directories share off their paths, for a table to read."""
    folder = _common_folder(frame["run_dir"])
    if not folder:
        return frame
    start = f"{folder}{os.sep}"
    run_dirs = (
        each[len(start) :] if each.startswith(start) else os.path.relpath(each, folder)
        for each in frame["run_dir"].tolist()
    )
    return frame.assign(run_dir=list(run_dirs))


def _results(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """Choose among the columns that are not configuration, in the order to show them."""
    losses = [name for name in LOSSES if name in names and frame[name].notna().any()]
    told = {"run_dir", "status", *LOSSES, *_DETAILS, *_OUTCOMES}
    further = [name for name in names if name not in told]
    outcomes = [name for name in (*further, *_OUTCOMES) if name in names and differs(frame, name)]
    return [*(name for name in names if name == "status"), *losses, *outcomes]


def _common_folder(run_dirs: "pd.Series[str]") -> str:
    paths = run_dirs.tolist()
    if len(paths) < 2 or len({os.path.isabs(path) for path in paths}) > 1:  # noqa: PTH117  # as below
        return ""
    return os.path.commonpath(paths)


def differs(frame: pd.DataFrame, name: str) -> bool:
    """Whether runs differ in a column; what unfinished or failed runs lack is none."""
    finished = frame[name]
    if "status" in frame:
        finished = finished[~frame["status"].isin(["unfinished", "failed"])]
    return frame[name].nunique() > 1 or finished.nunique(dropna=False) > 1


def _is_seed(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column repeats the seed, as `data.seed` does unless it is set."""
    return "seed" in frame and bool((frame[name] == frame["seed"]).fillna(True).all())


def _first(frame: pd.DataFrame, name: str) -> object:
    values = frame[name].dropna().tolist()
    return values[0] if values else None
