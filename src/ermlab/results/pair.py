"""Two groups of runs compared with each other, whichever is the best."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ermlab.errors import ConfigError
from ermlab.results.groups import Group, Groups
from ermlab.results.statistics import Contrast, contrast
from ermlab.results.table import cell_text

EFFECTS = {"paired": "Cohen's d_z", "Welch": "Hedges' g"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two groups, and how the mean of the first differs from that of the second."""

    names: tuple[str, str]
    groups: tuple[Group, Group]
    contrast: Contrast


def compare_pair(made: Groups, names: tuple[str, str]) -> Pair:
    """Find two groups by their names, and compare them.

    Args:
        made: the groups.
        names: of each the values of its keys, `linear` or `linear,0.1`; or with the keys, as
            `model=linear,optimizer.lr=0.1`.

    Raises:
        ConfigError: there is no such group or more than one, both are the same, or one has fewer
            than two replicates.
    """
    first, second = (_find(made, name) for name in names)
    if first is second:
        raise ConfigError(
            f"{names[0]!r} and {names[1]!r} are the same group",
            where="--pair",
            fix="name two groups",
        )
    for group in (first, second):
        if len(group.values) < 2:
            raise ConfigError(
                f"{made.name(group)} has {len(group.values)} replicates with a {made.column}, and "
                "fewer than 2 tell nothing of chance",
                where="--pair",
                fix="train it with more seeds: seed=0,1,2,3,4",
            )
    found = contrast(first.values, second.values)
    assert found is not None, "both have two replicates"
    return Pair(names=(made.name(first), made.name(second)), groups=(first, second), contrast=found)


def pair_frame(pair: Pair) -> pd.DataFrame:
    """Put a comparison of two groups into one row.

    Returns:
        `first`, `second`; of each `n` and `mean` (`n_first`, ...); `test` and the number of pairs
        `n_shared` (missing for Welch's test); `difference` of the means with its 95 % interval by t
        (`low`, `high`) and bootstrap (`low_bootstrap`, `high_bootstrap`); `p_value`; `effect_size`
        and its name `effect`.
    """
    first, second = pair.groups
    found = pair.contrast
    row: dict[str, Any] = {"first": pair.names[0], "second": pair.names[1]}
    row |= {"n_first": len(first.values), "n_second": len(second.values)}
    row |= {
        "mean_first": float(np.mean(first.values)),
        "mean_second": float(np.mean(second.values)),
    }
    row |= {"test": found.kind, "n_shared": found.n if found.kind == "paired" else None}
    row |= {"difference": found.difference, "low": found.interval[0], "high": found.interval[1]}
    row |= {"low_bootstrap": found.bootstrap[0], "high_bootstrap": found.bootstrap[1]}
    row |= {"p_value": found.p_value, "effect_size": found.effect_size}
    row |= {"effect": EFFECTS[found.kind]}
    return pd.DataFrame([row]).astype({"n_shared": "Int64"})


def _find(made: Groups, name: str) -> Group:
    found = [group for group in made.groups if _plain(name) in _names(made, group)]
    exact = [group for group in found if _plain(name) in _names(made, group, is_exact=True)]
    found = exact or found
    if len(found) == 1:
        return found[0]
    known = sorted(",".join(map(str, group.key)) for group in made.groups)
    raise ConfigError(
        f"{name!r} names {len(found)} groups" if found else f"there is no group {name!r}",
        where="--pair",
        fix=f"use two of: {'  '.join(known)}",
    )


def _names(made: Groups, group: Group, *, is_exact: bool = False) -> Iterator[str]:
    """Give the names of a group, with and without its keys, and with short numbers."""
    for show in (str,) if is_exact else (str, cell_text):
        values = [show(value) for value in group.key]
        yield _plain(",".join(values))
        yield _plain(",".join(f"{key}={value}" for key, value in zip(made.by, values, strict=True)))


def _plain(name: str) -> str:
    return name.replace(" ", "")
