"""Partitions the rows of a data set into train, valid and test.

The rows are chosen here by number only; `dataset.py` takes them out of the arrays.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ermlab.errors import ConfigError
from ermlab.seeds import generator

SPLITS = ("train", "valid", "test")
WHERE = ", ".join(f"data.n_{name}" for name in SPLITS)
ROUNDING = 1e-9  # own: 0.29 * 100 is 28.999999999999996 and means 29; far above float64 rounding


def split_rows(
    n_rows: int, *, sizes: Mapping[str, int | float], partition: str, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Choose the rows of each split; no row is in two of them.

    Args:
        n_rows: Q, rows of the data set, >= 0.
        sizes: what `split_sizes` takes.
        partition: "in_order" takes the first rows for train, the next for valid, the next for test;
            "random" permutes them first.
        seed: of the permutation. For the same rows and seed, the test rows depend on the size of
            test alone, so trials with different `n_train` are tested on the same rows.

    Returns:
        Row numbers of "train", "valid" and "test", (size,) int64, maybe empty except for train.

    Raises:
        ConfigError: the sizes do not fit, or the partition is unknown.
    """
    counts = split_sizes(n_rows, sizes)
    n_train, n_valid, n_test = (counts[name] for name in SPLITS)
    if partition == "in_order":
        rows = np.arange(n_rows, dtype=np.int64)
        ends = (n_train, n_train + n_valid, n_train + n_valid + n_test)
        train, valid, test, _ = np.split(rows, ends)
    elif partition == "random":
        rows = generator(seed, "split").permutation(n_rows).astype(np.int64)
        ends = (n_test, n_test + n_valid, n_test + n_valid + n_train)
        test, valid, train, _ = np.split(rows, ends)
    else:
        raise ConfigError(
            f"there is no partition {partition!r}",
            where="loop.partition",
            fix="use one of: in_order, random",
        )
    return {"train": train, "valid": valid, "test": test}


def split_sizes(n_rows: int, sizes: Mapping[str, int | float]) -> dict[str, int]:
    """Turn the sizes of the splits, counts or fractions, into counts that fit.

    Args:
        n_rows: Q, rows of the data set, >= 0.
        sizes: for each of "train", "valid" and "test" a count of rows, or a fraction of `n_rows`
            in (0, 1); both kinds may be mixed. A whole float such as 1e3 is a count.

    Returns:
        Rows of each split. A fraction is rounded down, but gives at least one row; when the
        fractions add up to 1, every row is used and the remainder goes to train.

    Raises:
        ConfigError: a size is neither, train is empty, or more rows are asked for than there are.

    Source:
        own.
    """
    for name in SPLITS:
        _check_size(name, sizes[name])
    fractions = [sizes[name] for name in SPLITS if _is_fraction(sizes[name])]
    counts = {name: _count_rows(sizes[name], n_rows) for name in SPLITS}
    if sum(fractions) > 1 + ROUNDING:
        raise _misfit(n_rows, sizes, f"the fractions add up to {sum(fractions):g}")
    if sum(fractions) > 1 - ROUNDING and _is_fraction(sizes["train"]):
        counts["train"] = n_rows - counts["valid"] - counts["test"]
    if counts["train"] <= 0:
        raise _misfit(n_rows, sizes, "no row is left for train")
    if sum(counts.values()) > n_rows:
        raise _misfit(n_rows, sizes, f"that takes {sum(counts.values())} rows")
    return counts


def _check_size(name: str, size: int | float) -> None:
    is_number = isinstance(size, int | float) and not isinstance(size, bool)
    is_whole = is_number and math.isfinite(size) and size == int(size)
    if is_number and size >= 0 and (is_whole or size < 1) and not _is_one(size):
        return
    raise ConfigError(
        f"n_{name} is {size}, but must be a count of rows >= 0 or a fraction below 1",
        where=f"data.n_{name}",
        fix=f"set data.n_{name} to a whole number such as 100, or to a fraction such as 0.2",
    )


def _is_one(size: int | float) -> bool:
    # 1 is a row; 1.0 could be meant as all rows, so it is refused.
    return isinstance(size, float) and size == 1


def _is_fraction(size: int | float) -> bool:
    return isinstance(size, float) and 0 < size < 1


def _count_rows(size: int | float, n_rows: int) -> int:
    if _is_fraction(size):
        return max(1, math.floor(size * n_rows + ROUNDING))
    return int(size)


def _misfit(n_rows: int, sizes: Mapping[str, int | float], reason: str) -> ConfigError:
    asked = ", ".join(f"n_{name}={sizes[name]}" for name in SPLITS)
    return ConfigError(
        f"the data have {n_rows} rows, which do not fit {asked}: {reason}",
        where=WHERE,
        fix="lower the sizes, or give fractions such as "
        "data.n_train=0.6 data.n_valid=0.2 data.n_test=0.2",
    )
