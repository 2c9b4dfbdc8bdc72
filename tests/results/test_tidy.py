import pandas as pd
import pytest

from ermlab.results.tidy import clean_text, tidy_column
from ermlab.rundir import Value


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([1, None], "Int64"),
        ([True, False], "bool"),
        ([True, None], "boolean"),
        ([0.5, 1.0], "float64"),
        ([0.5, 1], "float64"),
        ([0.5, None], "float64"),
        ([None, None], "float64"),
    ],
)
def test_a_column_gets_the_narrowest_type(values: list[Value], dtype: str) -> None:
    assert str(tidy_column(values).dtype) == dtype


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["auto", 3], ["auto", "3"]),
        ([True, 1], ["true", "1"]),
        ([2**64, 1], ["18446744073709551616", "1"]),
        ([2**53 + 1, 0.5], ["9007199254740993", "0.5"]),
    ],
)
def test_values_of_no_common_type_become_text_unrounded(
    values: list[Value], expected: list[str]
) -> None:
    assert tidy_column(values).tolist() == expected


def test_a_missing_text_stays_missing() -> None:
    assert tidy_column(["a", None]).isna().tolist() == [False, True]


def test_the_text_nan_stays_text() -> None:
    assert tidy_column(["NaN", "null"]).tolist() == ["NaN", "null"]


def test_half_a_character_becomes_one_that_files_can_hold() -> None:
    column = tidy_column(["a\ud800", clean_text("\udfff")])
    assert column.tolist() == ["a?", "?"]


def test_text_is_a_column_on_which_str_works() -> None:
    column: pd.Series[str] = tidy_column(["relu", "tanh"])
    assert column.str.startswith("re").tolist() == [True, False]
