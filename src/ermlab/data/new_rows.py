"""Reads new rows for a trained model from a CSV, Parquet or NPZ file.

Rows to train on are read by a data source instead (`table.py`).
"""

import math
import zipfile
from pathlib import Path

import numpy as np

from ermlab.data.arrays import Array, check_rows
from ermlab.data.columns import Columns
from ermlab.data.table_file import SUFFIXES, check_path, read_numbers, read_table
from ermlab.errors import DataError, ShapeError, name_known

ALL_SUFFIXES = (*SUFFIXES, ".npz")


def read_new_rows(path: Path, columns: Columns) -> Array:
    """Read the inputs of a model.

    Args:
        path: a .csv or .parquet file with the columns that the model was trained on, by name and in
            any order beside others; without names all columns in their order. Or a .npz file with
            the same columns as arrays (Q,), or with one array of all of them, (Q, ...), alone or
            called x.
        columns: what the model takes.

    Returns:
        x, (Q, ...), finite, in the order of the file.

    Raises:
        DataError: the file cannot be read, lacks a column, or a value is missing or no number.
        ShapeError: the rows have another shape than those that the model takes.
    """
    path = path.expanduser().absolute()
    check_path(path, ALL_SUFFIXES, key="INPUT")
    return _read_npz(path, columns) if path.suffix.lower() == ".npz" else _read(path, columns)


def _read(path: Path, columns: Columns) -> Array:
    frame = read_table(path, key="INPUT")
    if len(columns.row_shape) != 1:
        raise ShapeError(
            f"the model takes rows of shape {tuple(columns.row_shape)}, which a table cannot hold",
            where=str(path),
            fix="give a .npz file with an array x of shape (Q, ...)",
        )
    known = list(frame.columns)
    if columns.inputs is None:
        _check_shape((len(frame), len(known)), columns, path)
    names = known if columns.inputs is None else list(columns.inputs)
    _check_names(names, known, path)
    try:
        return read_numbers(frame, names, where=str(path))
    except DataError as error:
        fix = "fill in or drop these rows: each needs a number in every input column"
        raise DataError(error.what, where=error.where, fix=fix) from error


def _read_npz(path: Path, columns: Columns) -> Array:
    if not zipfile.is_zipfile(path):
        raise _not_arrays(path, "it is no .npz file")
    try:
        with np.load(path, allow_pickle=False) as file:
            known = list(file.files)
            names = list(columns.inputs or ["x"])
            if not set(names) <= set(known) and (len(known) == 1 or "x" in known):
                names = ["x"] if "x" in known else known
            _check_names(names, known, path)
            arrays = {name: check_rows(file[name], name=name, where=str(path)) for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _not_arrays(path, (str(error).splitlines() or ["?"])[0]) from error
    if len(arrays) > 1:
        _check_lengths(arrays, path)
    x = np.concatenate(list(arrays.values()), axis=1)
    _check_shape(x.shape, columns, path)
    return x


def _not_arrays(path: Path, reason: str) -> DataError:
    return DataError(
        f"the file cannot be read as arrays: {reason}",
        where=str(path),
        fix="write it with numpy.savez(path, x=x), with arrays of numbers",
    )


def _check_names(names: list[str], known: list[str], path: Path) -> None:
    lacking = [name for name in names if name not in known]
    if lacking:
        raise DataError(
            f"the file lacks {len(lacking)} of the {len(names)} columns that the model takes: "
            f"{', '.join(map(repr, lacking[:5]))}{', ...' if len(lacking) > 5 else ''}",
            where=str(path),
            fix=f"name the columns as in training; the file has: {name_known(known)}",
        )


def _check_lengths(arrays: dict[str, Array], path: Path) -> None:
    lengths = {len(array) for array in arrays.values()}
    wide = [name for name, array in arrays.items() if math.prod(array.shape[1:]) != 1]
    if len(lengths) > 1 or wide:
        shown = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:5])
        raise ShapeError(
            f"the arrays are no columns of one table: {shown}",
            where=str(path),
            fix="give each input column as an array of shape (Q,), all equally long",
        )


def _check_shape(shape: tuple[int, ...], columns: Columns, path: Path) -> None:
    if shape[1:] != tuple(columns.row_shape):
        wanted = ", ".join(map(str, ["Q", *columns.row_shape]))
        raise ShapeError(
            f"the rows have the shape {shape}, but the model takes ({wanted})",
            where=str(path),
            fix=f"give {math.prod(columns.row_shape)} numbers for each row, as in training",
        )
