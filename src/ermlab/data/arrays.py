"""Checks what a data source returned, before anything is computed with it.

Checks of a file's columns, which can name them, are in `table.py`; the checked arrays are split in
`splits.py`.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ermlab.errors import DataError, ShapeError

Array = NDArray[Any]


def unpack_source(returned: object, *, where: str) -> tuple[object, object, object]:
    """Take the arrays out of what a source returned, and the graph if it returned one.

    Args:
        returned: the source's result, which should be a tuple or list of two, or of three.
        where: the key or file of the source, for messages.

    Returns:
        x, y and the graph or None, not yet checked (see `check_arrays`, `check_graph`).

    Raises:
        DataError: it is neither a pair nor a triple.
    """
    if isinstance(returned, tuple | list) and len(returned) in (2, 3):
        x, y, *graph = returned
        return x, y, graph[0] if graph else None
    length = f" of {len(returned)}" if isinstance(returned, tuple | list) else ""
    raise DataError(
        f"the data source returned a {type(returned).__name__}{length}, but must return (x, y)",
        where=where,
        fix="end the function with `return x, y`: arrays with one row for each sample; or with "
        "`return x, y, graph`, whose third is the shift operator (N, N) of a graph",
    )


def check_arrays(x: object, y: object, *, where: str) -> tuple[Array, Array]:
    """Return x and y as arrays of finite numbers with equally many rows, at least one.

    Args:
        x: inputs, (Q, ...) or (Q,): an array, a tensor on any device, or nested lists.
        y: targets (Q, m) or (Q,); or class labels, (Q,) integers or booleans, >= 0.
        where: the key or file that the arrays come from, for messages.

    Returns:
        x, (Q, ...) with at least two dimensions, and y: (Q,) int64 for class labels, else (Q, m).
        Numbers are float32 where they came so, else float64. NaN and infinity are refused.

    Raises:
        ShapeError: x and y have different numbers of rows.
        DataError: an array is empty, not numeric, not finite, or a label is negative.
    """
    x_rows = _read_array(x, name="x", where=where)
    y_rows = _read_array(y, name="y", where=where)
    if len(x_rows) != len(y_rows):
        raise ShapeError(
            f"x has {len(x_rows)} rows and y has {len(y_rows)}: "
            f"x is (Q, ...) = {x_rows.shape}, y is (Q, m) or (Q,) = {y_rows.shape}",
            where=where,
            fix="return one row of x and one row of y for each sample",
        )
    for name, rows in (("x", x_rows), ("y", y_rows)):
        _check_rows_are_there(rows, name=name, where=where)
        _check_is_finite(rows, name=name, where=where)
    if y_rows.ndim == 1 and y_rows.dtype.kind in "biu":
        return _to_numbers(x_rows), _to_labels(y_rows, where=where)
    return _to_numbers(x_rows), _to_numbers(y_rows)


def check_rows(x: object, *, name: str, where: str) -> Array:
    """Return inputs as an array of finite numbers, (Q, ...) with at least two dimensions.

    Args:
        x: inputs, (Q, ...) or (Q,), Q >= 1.
        name: of the array, for messages.
        where: the file that it comes from, for messages.

    Raises:
        DataError: it is empty, not numeric, or not finite.
    """
    rows = _read_array(x, name=name, where=where)
    _check_rows_are_there(rows, name=name, where=where)
    _check_is_finite(rows, name=name, where=where)
    return _to_numbers(rows)


def _read_array(values: object, *, name: str, where: str) -> Array:
    try:
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu()
            # NumPy has no bfloat16; float32 holds each of its values.
            values = values.float() if values.dtype == torch.bfloat16 else values
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{name} is a {type(values).__name__} that is no array: {str(error).splitlines()[0]}",
            where=where,
            fix=f"return {name} as a NumPy array in which all rows have the same length",
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{name} holds values of type {array.dtype}, but must hold real numbers",
            where=where,
            fix="turn text and dates into numbers, and class names into labels 0, 1, 2, ...",
        )
    if array.ndim == 0:
        raise DataError(
            f"{name} is a single number, {array}, but must have one row for each sample",
            where=where,
            fix=f"return {name} as an array whose first dimension counts the samples",
        )
    return array


def _check_rows_are_there(rows: Array, *, name: str, where: str) -> None:
    if rows.size:
        return
    lacking = "columns" if len(rows) else "rows"
    raise DataError(
        f"{name} has no {lacking}: its shape is {rows.shape}",
        where=where,
        fix="check what the source reads or draws, and its number of samples",
    )


def _check_is_finite(rows: Array, *, name: str, where: str) -> None:
    bad = ~np.isfinite(rows)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    raise DataError(
        f"{name} holds {np.count_nonzero(bad)} values that are NaN or infinite, "
        f"the first one, {rows[first]}, at {name}[{', '.join(map(str, first))}]",
        where=where,
        fix="drop these rows or fill in numbers before the source returns them",
    )


def _to_numbers(rows: Array) -> Array:
    column = rows.reshape(len(rows), 1) if rows.ndim == 1 else rows  # (Q,) -> (Q, 1)
    return column if column.dtype == np.float32 else column.astype(np.float64, copy=False)


def _to_labels(rows: Array, *, where: str) -> Array:
    labels = rows.astype(np.int64, copy=False)
    if labels.min() < 0:
        row = int(labels.argmin())
        raise DataError(
            f"y holds the class label {labels[row]} at y[{row}], but labels are 0 or more",
            where=where,
            fix="number the classes 0, 1, 2, ...; for targets that are numbers, return y as (Q, 1)",
        )
    return labels
