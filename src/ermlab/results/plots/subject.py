"""What a picture is about: the runs, their histories, what was searched and what was optimized."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ermlab import rundir
from ermlab.errors import ConfigError, name_known
from ermlab.results.fold import fold_columns
from ermlab.results.load import load_history, load_runs
from ermlab.results.plots.palette import WITHOUT_RESULT
from ermlab.results.select import objective_of

LARGEST_BYTES = 2**20  # own; Hydra's file of a sweep has some 10 kB: more is some other file

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CHOICE = re.compile(r",|^(choice|range|interval|glob|tag|int|float|shuffle|sort)\(")
_LOG = re.compile(r"\btag\(\s*log\b")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Runs and what is known of the sweeps that they belong to.

    Attributes:
        runs: one row per run, with `status`.
        results: the objective of each run, NaN for one that diverged, failed or did not finish.
        history: one row per validation (see `load_history`).
        objective: column that the runs optimize.
        is_loss: whether the lowest is the best.
        varying: configuration columns that tell runs apart, seeds left out.
        logs: those that were searched on a log scale.
    """

    runs: pd.DataFrame
    results: "pd.Series[float]"
    history: pd.DataFrame
    objective: str
    is_loss: bool
    varying: list[str]
    logs: frozenset[str]

    def best(self) -> int | None:
        """Give the row of the best run, or None if no run has a result."""
        results = self.results.to_numpy(dtype=float)
        if not np.isfinite(results).any():
            return None
        return int(np.nanargmin(results) if self.is_loss else np.nanargmax(results))


def load_subject(dirs: Sequence[Path | str]) -> Subject:
    """Load the runs at or below some folders, with their histories.

    Raises:
        RunDirError: a path does not exist, or has no run directory.
    """
    runs = load_runs(*dirs)
    searched = read_searched(runs)
    objective = objective_of(runs)
    swept = fold_columns(runs).swept
    first = [name for name in searched if name in swept]
    varying = [*first, *(name for name in swept if name not in searched)]
    has_result = ~runs["status"].isin(WITHOUT_RESULT)
    is_number = objective in runs and pd.api.types.is_numeric_dtype(runs[objective])
    values = runs[objective].astype(float) if is_number else pd.Series(np.nan, index=runs.index)
    values = values.where(has_result & np.isfinite(values))
    return Subject(
        runs=runs,
        results=values,
        history=load_history(*dirs),
        objective=objective,
        is_loss=not objective.endswith("accuracy"),
        varying=[name for name in varying if name.rpartition(".")[2] != "seed"],
        logs=frozenset(name for name, is_log in searched.items() if is_log),
    )


def check_column(subject: Subject, name: str, *, where: str) -> None:
    """Refuse a column that the runs do not have, or in which none has a value.

    Raises:
        ConfigError: there is none of that name, or it is empty.
    """
    if name not in subject.runs or subject.runs[name].isna().all():
        known = [str(each) for each in subject.runs if subject.runs[each].notna().any()]
        raise ConfigError(
            f"there is no column {name!r} with a value in it",
            where=where,
            fix=f"use one of: {name_known(known)}",
        )


def find_sweep_dirs(runs: pd.DataFrame) -> list[Path]:
    """List the folders that hold runs and Hydra's file of a sweep, in the runs' order."""
    parents = dict.fromkeys(Path(run_dir).parent for run_dir in runs["run_dir"])
    return [parent for parent in parents if (parent / rundir.MULTIRUN).is_file()]


def read_sweep(sweep_dir: Path) -> dict[str, Any]:
    """Read what Hydra wrote of a sweep when it started; empty if that cannot be read."""
    read = read_yaml(sweep_dir / rundir.MULTIRUN)
    return read if isinstance(read, dict) else {}


def read_yaml(path: Path) -> object:
    """Read a YAML file that Hydra wrote; None if there is none, or it is some other file."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        text = path.read_text(encoding="utf-8")
        rundir.check_yaml(text)
        return yaml.load(text, Loader=_LOADER)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None


def read_searched(runs: pd.DataFrame) -> dict[str, bool]:
    """Tell which keys the sweeps of some runs searched, and whether on a log scale."""
    found: dict[str, bool] = {}
    for sweep_dir in find_sweep_dirs(runs):
        for key, said in list_searched(read_sweep(sweep_dir)).items():
            found[key] = found.get(key, False) or bool(_LOG.search(said))
    return found


def list_searched(sweep: dict[str, Any]) -> dict[str, str]:
    """List the keys that a sweep searched, with what was said of each: `interval(0.1, 1)`."""
    params = dig(sweep, "hydra", "sweeper", "params")
    found = (
        {str(key): str(said) for key, said in params.items()} if isinstance(params, dict) else {}
    )
    for word in read_words(sweep, "hydra", "overrides", "task"):
        key, sign, said = word.partition("=")
        if sign and _CHOICE.search(said) and not said.startswith(("[", "{")):
            found[key.lstrip("+")] = said
    return found


def read_words(tree: object, *keys: str) -> list[str]:
    """Look a list of words up in nested mappings; empty where there is none."""
    words = dig(tree, *keys)
    return [str(word) for word in words] if isinstance(words, list) else []


def dig(tree: object, *keys: str) -> Any:
    """Look a value up in nested mappings; None where there is none."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
