"""Runs in groups: those that differ in nothing but their seed belong together.

What is computed from the groups is in `compare.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from ermlab.errors import ConfigError, name_known
from ermlab.results.fold import differs, fold_columns, setting_columns
from ermlab.results.table import cell_text

TEST = "test_loss"
SEED = "seed"

_NO_RESULT = ("diverged", "failed", "pruned", "unfinished")


@dataclass(frozen=True, kw_only=True)
class Group:
    """The runs of one choice.

    Attributes:
        key: the value of each key that makes the groups.
        values: of the compared column, one per replicate, (n,); the index names the replicates.
        test: of the test loss, for those of the replicates that have one.
        left_out: how many runs have no value, by reason.
        n_repeats: runs that repeat a replicate; it counts once, with the mean of its runs.
    """

    key: tuple[Any, ...]
    values: "pd.Series[float]"
    test: "pd.Series[float]"
    left_out: Counter[str]
    n_repeats: int

    @property
    def n_runs(self) -> int:
        """All runs, with and without a value."""
        return len(self.values) + self.n_repeats + self.left_out.total()

    @property
    def is_tested(self) -> bool:
        """Whether each replicate with a value has a test loss: a sweep may test its winner only."""
        return len(self.test) == len(self.values)


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Runs in groups.

    Attributes:
        by: the keys that make the groups.
        column: what is compared.
        groups: in the order of the runs.
        constant: keys that were asked for but are the same in all runs.
        replicate: what a value of a group comes from: a "seed" or a "run".
        also_vary: settings besides the seed in which the runs of a group differ.
        n_unknown: runs with a value that do not tell how they ended.
    """

    by: list[str]
    column: str
    groups: list[Group]
    constant: list[str]
    replicate: str
    also_vary: list[str]
    n_unknown: int

    def name(self, group: Group) -> str:
        """Name a group by its choice: `model=linear, optimizer.lr=0.1`."""
        pairs = zip(self.by, group.key, strict=True)
        return ", ".join(f"{key}={cell_text(value)}" for key, value in pairs)

    def label(self, group: Group) -> str:
        """Name a group by its values alone: `linear, 0.1`."""
        return ", ".join(map(cell_text, group.key))


def make_groups(frame: pd.DataFrame, *, by: Sequence[str], column: str) -> Groups:
    """Put runs into groups.

    Args:
        frame: one row per run, as `load_runs` gives it.
        by: keys or group choices; a missing value makes a group as well.
        column: what is compared: a column of numbers.

    Raises:
        ConfigError: a key or the column is unknown, the column has no value, or no key varies.
    """
    _check_column(frame, column)
    by = _check_by(frame, list(dict.fromkeys(by)))
    varying = [key for key in by if differs(frame, key)]
    status = frame["status"] if "status" in frame else pd.Series("unknown", index=frame.index)
    values = pd.to_numeric(frame[column], errors="coerce").astype(float)
    tests = pd.to_numeric(frame[TEST], errors="coerce") if TEST in frame else values * np.nan
    reasons = status.where(status.isin(_NO_RESULT), None)
    reasons = reasons.mask(reasons.isna() & ~np.isfinite(values), f"without {column}")
    is_used = reasons.isna()
    if not is_used.any():
        raise ConfigError(
            f"no run has a {column} to compare: {_tell(Counter(reasons))}",
            where="--column",
            fix="name another column, or wait until runs have finished",
        )
    within = _vary_within(frame[is_used], varying)
    names = pd.Series(_replicates(frame, within), index=frame.index)
    groups = []
    for key, part in frame.groupby(varying, dropna=False, sort=False):
        used = part.index[is_used[part.index]]
        each = values[used].groupby(names[used], sort=False).mean()
        test = tests[used]
        groups.append(
            Group(
                key=key,
                values=each,
                test=test[np.isfinite(test)].groupby(names[used], sort=False).mean(),
                left_out=Counter(reasons[part.index].dropna()),
                n_repeats=len(used) - len(each),
            )
        )
    also_vary = [key for key in within if not _follows_from_seed(frame[is_used], key)]
    return Groups(
        by=varying,
        column=column,
        groups=groups,
        constant=[key for key in by if key not in varying],
        replicate=SEED if SEED in frame and not also_vary else "run",
        also_vary=also_vary,
        n_unknown=int((is_used & ~status.isin(["completed", "stopped_early"])).sum()),
    )


def _tell(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in counts.items())


def _check_column(frame: pd.DataFrame, column: str) -> None:
    numeric = [
        str(name)
        for name in frame
        if is_numeric_dtype(frame[name])
        and not is_bool_dtype(frame[name])
        and frame[name].notna().any()
    ]
    results = [name for name in numeric if name not in setting_columns(frame)]
    if column not in frame:
        raise ConfigError(
            f"there is no column {column!r}",
            where="--column",
            fix=f"use one of: {name_known(results)}",
        )
    if column not in numeric:
        raise ConfigError(
            f"the column {column!r} has no numbers to compare",
            where="--column",
            fix=f"use one of: {name_known(results)}",
        )


def _check_by(frame: pd.DataFrame, by: list[str]) -> list[str]:
    varying = [key for key in fold_columns(frame).swept if not _follows_from_seed(frame, key)]
    known = f"use keys in which the runs differ: {name_known(varying)}"
    if not by:
        raise ConfigError("no key was given to compare by", where="--by", fix=known)
    for key in by:
        if key not in frame:
            ends = [str(name) for name in frame if str(name).endswith(f".{key}")]
            meant = f"write {' or '.join(ends)}; or " if ends else ""
            raise ConfigError(f"there is no key {key!r}", where="--by", fix=f"{meant}{known}")
    if not any(differs(frame, key) for key in by):
        values = {key: next(iter(frame[key].dropna()), None) for key in by}
        told = ", ".join(f"{key} is {cell_text(value)}" for key, value in values.items())
        raise ConfigError(
            f"{told} in all runs, so there is nothing to compare", where="--by", fix=known
        )
    return by


def _vary_within(frame: pd.DataFrame, by: list[str]) -> list[str]:
    """Name the settings in which runs of one group differ, the seed first."""
    further = [key for key in setting_columns(frame) if key not in by]
    if not further:
        return []
    counts = frame.groupby(by, dropna=False)[further].nunique(dropna=False).max()
    within = [key for key in further if counts[key] > 1]
    return sorted(within, key=lambda key: key != SEED)


def _replicates(frame: pd.DataFrame, within: list[str]) -> list[tuple[Any, ...]]:
    """Name what a run replicates: its seed, and what else differs within groups."""
    keys = list(dict.fromkeys([*([SEED] if SEED in frame else []), *within]))
    if not keys:  # nothing tells which runs of two groups belong together
        return [("run", number) for number in range(len(frame))]
    columns = [[None if pd.isna(value) else value for value in frame[key]] for key in keys]
    return list(zip(*columns, strict=True))


def _follows_from_seed(frame: pd.DataFrame, key: str) -> bool:
    if key == SEED or SEED not in frame:
        return key == SEED
    return bool(frame.groupby(SEED, dropna=False)[key].nunique(dropna=False).max() <= 1)
