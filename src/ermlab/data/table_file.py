"""Reads a CSV or Parquet file of the user's into a table, and columns of it into numbers.

What the columns mean, inputs or targets, is decided in `table.py`.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ermlab.errors import DataError, name_known

if TYPE_CHECKING:  # pandas takes half a second to import, so it is imported when a file is read
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


def read_table(path: Path, *, key: str = "data.path") -> "pd.DataFrame":
    """Read all columns and rows of a file, with the names of its header.

    Args:
        path: a .csv file (commas, a header line) or a .parquet file.
        key: where the path was given, for messages.

    Returns:
        At least one row; each column has a name of its own.

    Raises:
        DataError: the file is missing, a folder, of another kind, torn or empty, or its header
            leaves a name out or has it twice.
    """
    path = path.expanduser().absolute()
    check_path(path, SUFFIXES, key=key)
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Raised when rows are longer than the header: pandas would drop what is beyond it.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = _read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError, NotImplementedError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"the file cannot be read as a table: {(str(error).splitlines() or ['?'])[0]}",
            where=str(path),
            fix="check that the file is whole, readable and of the kind that its name says",
        ) from error
    frame.columns = frame.columns.map(str)
    _check_names(list(frame.columns), path)
    if frame.empty:
        raise DataError(
            "the table has no rows",
            where=str(path),
            fix="give a file with a header and at least one row below it",
        )
    return frame


def read_numbers(
    frame: "pd.DataFrame", columns: Sequence[str], *, where: str
) -> NDArray[np.float64]:
    """Take columns out of a table as numbers; True is 1 and False is 0.

    Args:
        frame: Q rows, with each of the columns.
        columns: their names, in the order that is wanted.
        where: the file, for messages.

    Returns:
        Finite numbers, (Q, len(columns)).

    Raises:
        DataError: a column holds text or dates, or a value is missing or infinite.
    """
    numbers = np.empty((len(frame), len(columns)))
    for i, name in enumerate(columns):
        numbers[:, i] = _read_column(frame[name], name, where=where)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{np.count_nonzero(bad)} values are missing, NaN or infinite, the first one in row "
            f"{row + 1} below the header, column {columns[int(column)]!r}",
            where=where,
            fix="fill in or drop these rows, or choose columns with data.inputs=[NAME,...]",
        )
    return numbers


def check_path(path: Path, suffixes: Sequence[str], *, key: str) -> None:
    """Refuse a path that is no file of a kind that can be read.

    Raises:
        DataError: it is not there, a folder, or ends in something else than one of the suffixes.
    """
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise DataError(
            f"the path cannot be reached: {error.strerror or error}",
            where=str(path),
            fix=f"check {key} and the rights to its folders",
        ) from error
    if is_folder:
        what, fix = "the path is a folder, not a file", f"give one file as {key}: FOLDER/FILE.csv"
    elif not is_there:
        what = "there is no such file"
        fix = f"check {key}; a path without / in front starts at the working directory"
    elif path.suffix.lower() not in suffixes:
        what = f"a file that ends in {path.suffix or 'nothing'!r} cannot be read"
        fix = f"give a file that ends in one of: {name_known(suffixes)}"
    else:
        return
    raise DataError(what, where=str(path), fix=fix)


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    # utf-8-sig skips the mark that Excel puts in front; the space after a comma is not data.
    options: dict[str, Any] = {"encoding": "utf-8-sig", "skipinitialspace": True}
    header = pd.read_csv(
        path, header=None, nrows=1, dtype=str, keep_default_na=False, index_col=False, **options
    )
    # pandas would rename doubles and unnamed columns, so the names are taken as they stand. Without
    # index_col=False it takes the first column for an index where rows are longer than the header.
    frame: pd.DataFrame = pd.read_csv(path, index_col=False, low_memory=False, **options)
    frame.columns = header.iloc[0].map(str.strip).tolist()
    return frame


def _check_names(names: list[str], path: Path) -> None:
    doubles = {name for name in names if names.count(name) > 1}
    if "" in names:
        what = f"column {names.index('') + 1} has no name in the header"
        fix = "name it, or leave a row index out: frame.to_csv(path, index=False) in pandas"
    elif doubles:
        what = f"the header has a name twice: {name_known(doubles)}"
        fix = "give each column a name of its own"
    else:
        return
    raise DataError(what, where=str(path), fix=fix)


def _read_column(column: "pd.Series[Any]", name: str, *, where: str) -> NDArray[np.float64]:
    import pandas as pd
    from pandas.api import types

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    is_text = types.is_object_dtype(column) or types.is_string_dtype(column)
    is_real = types.is_numeric_dtype(column) and not types.is_complex_dtype(column)
    if not is_text and not is_real:
        raise DataError(
            f"column {name!r} holds {column.dtype}, but must hold numbers",
            where=where,
            fix="turn it into numbers, or choose other columns with data.inputs=[NAME,...]",
        )
    # Of an object column, to_numeric takes each cell that is a number or spells one.
    numbers = pd.to_numeric(column, errors="coerce") if is_text else column
    is_word = (numbers.isna() & column.notna()).to_numpy(dtype=bool)
    if is_word.any():
        row = int(is_word.argmax())
        raise DataError(
            f"column {name!r} holds {np.count_nonzero(is_word)} values that are no numbers, the "
            f"first one, {column.iloc[row]!r}, in row {row + 1} below the header",
            where=where,
            fix="turn it into numbers, choose columns with data.inputs=[NAME,...], or set "
            "data.labels=true if it is a target of class names",
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
