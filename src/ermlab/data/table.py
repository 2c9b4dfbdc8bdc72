"""The data source for a user's own file: chooses inputs, targets or class labels by column name.

How files are read is in `table_file.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ermlab.data.names import ColumnNames, NamedArrays
from ermlab.data.table_file import read_numbers, read_table
from ermlab.errors import ConfigError, DataError, name_known

if TYPE_CHECKING:  # see table_file.py
    import pandas as pd

Names = str | Sequence[str] | None


def table(*, path: str | None, targets: Names, inputs: Names, labels: bool) -> NamedArrays:
    """Read inputs and targets from the columns of a CSV or Parquet file.

    Args:
        path: the file; a relative path starts at the working directory.
        targets: name or names of the target columns.
        inputs: name or names of the input columns, or None for all that are no targets.
        labels: whether the single target column holds class labels, which may be text.

    Returns:
        x, (Q, n) in the order of `inputs`, and y: (Q, m) in the order of `targets`, or (Q,) int64
        labels 0, 1, ..., which number the classes in sorted order; with the names of all of them.
        Missing values are refused.

    Raises:
        ConfigError: path or targets are not set, or the columns are chosen twice or not there.
        DataError: the file or a value in it cannot be used.
    """
    if path is None or not targets:
        raise ConfigError(
            f"data.{'path' if path is None else 'targets'} is not set",
            where="data=table",
            fix="name the file and its target columns: data.path=FILE data.targets=[COLUMN]",
        )
    file = Path(path).expanduser().absolute()
    where = str(file)
    frame = read_table(file)
    y_names = _choose_columns(frame, targets, key="data.targets")
    others = [name for name in frame.columns if name not in y_names]
    x_names = others if inputs is None else _choose_columns(frame, inputs, key="data.inputs")
    _check_choice(x_names, y_names, labels=labels)
    x = read_numbers(frame, x_names, where=where)  # (Q, n)
    names = ColumnNames(inputs=x_names, targets=y_names, classes=None)
    if labels:
        classes, numbers = _number_classes(frame[y_names[0]], y_names[0], where=where)
        return NamedArrays(x, numbers, replace(names, classes=classes))
    return NamedArrays(x, read_numbers(frame, y_names, where=where), names)


def _choose_columns(frame: "pd.DataFrame", names: str | Sequence[str], *, key: str) -> list[str]:
    chosen = [names] if isinstance(names, str) else [str(name) for name in names]
    known = list(frame.columns)
    unknown = [name for name in chosen if name not in known]
    doubles = {name for name in chosen if chosen.count(name) > 1}
    if unknown:
        raise ConfigError(
            f"the table has no column {', '.join(map(repr, unknown))}",
            where=key,
            fix=f"use columns of the table: {name_known(known)}",
        )
    if doubles:
        raise ConfigError(
            f"columns are named twice: {name_known(doubles)}",
            where=key,
            fix="name each column once",
        )
    return chosen


def _check_choice(x_names: list[str], y_names: list[str], *, labels: bool) -> None:
    both = set(x_names) & set(y_names)
    if both:
        raise ConfigError(
            f"columns are inputs and targets at once: {name_known(both)}",
            where="data.inputs, data.targets",
            fix="leave them out of data.inputs, or set data.inputs=null for all other columns",
        )
    if not x_names:
        raise ConfigError(
            "no column is left for the inputs",
            where="data.inputs, data.targets",
            fix="name at least one input column: data.inputs=[COLUMN]",
        )
    if labels and len(y_names) != 1:
        raise ConfigError(
            f"labels is true, but there are {len(y_names)} target columns",
            where="data.targets",
            fix="name the one column of class labels, or set data.labels=false",
        )


def _number_classes(
    column: "pd.Series[Any]", name: str, *, where: str
) -> tuple[list[Any], NDArray[np.int64]]:
    is_missing = column.isna().to_numpy(dtype=bool)
    if is_missing.any():
        raise DataError(
            f"{np.count_nonzero(is_missing)} class labels are missing, the first one in row "
            f"{int(is_missing.argmax()) + 1} below the header, column {name!r}",
            where=where,
            fix="fill in or drop these rows; empty cells, NA, null and nan count as missing",
        )
    try:
        classes, numbers = np.unique(column.to_numpy(dtype=object), return_inverse=True)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the class labels of column {name!r} cannot be sorted: {error}",
            where=where,
            fix="let the column hold only numbers or only text, one in each cell",
        ) from error
    return classes.tolist(), numbers.astype(np.int64)  # (Q,)
