"""From values as JSON gave them to columns of one type each, so that every format can hold them."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ermlab.rundir import Value

EXACT = 2**53  # the whole numbers up to here are exact in float64

_INT64 = np.iinfo(np.int64)


def tidy_column(values: Sequence[Value]) -> "pd.Series[Any]":
    """Make a column of the narrowest type that keeps every value.

    Args:
        values: one per run; None where a run has no such value.

    Returns:
        `bool` or `int64`, with missing values `boolean` or `Int64`; `float64` with NaN if a
        number is not whole, and for a column without any value; otherwise text, in which a value
        that is not text stands as JSON. Whole numbers beyond 64 bits, or beside fractions beyond
        EXACT, make their column text, so that none is rounded.
    """
    cells: list[Any] = list(values)  # pandas wants to know the type, which is found out here
    kinds = set(map(type, values)) - {type(None)}
    whole = [value for value in values if type(value) is int]
    missing = None in values
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean" if missing else "bool")
    if kinds == {int} and all(_INT64.min <= value <= _INT64.max for value in whole):
        return pd.Series(cells, dtype="Int64" if missing else "int64")
    if kinds <= {int, float} and all(abs(value) <= EXACT for value in whole):
        return pd.Series(cells, dtype="float64")
    return pd.Series([None if value is None else clean_text(_as_text(value)) for value in values])


def clean_text(text: str) -> str:
    """Replace half characters (lone surrogates), which no file format can hold, by `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _as_text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
