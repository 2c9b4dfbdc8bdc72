"""Reading files: what is understood, and a clear word about each file that is not."""

from pathlib import Path

import pandas as pd
import pytest

from ermlab.data.table_file import read_numbers, read_table
from ermlab.errors import DataError


def file_of(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def numbers_of(path: Path) -> list[list[float]]:
    frame = read_table(path)
    numbers = read_numbers(frame, [str(name) for name in frame], where=str(path))
    return [[float(value) for value in row] for row in numbers]


def test_whole_numbers_decimals_and_booleans_are_numbers(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a,b,c\n1,0.5,True\n-2,1e3,False\n")
    assert numbers_of(path) == [[1.0, 0.5, 1.0], [-2.0, 1000.0, 0.0]]


def test_integers_beyond_int64_are_numbers(tmp_path: Path) -> None:
    assert numbers_of(file_of(tmp_path, f"a\n{10**25}\n1\n")) == [[1e25], [1.0]]


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    assert list(read_table(file_of(tmp_path, "\ufeffa,b\n1,2\n"))) == ["a", "b"]


def test_spaces_around_names_are_dropped(tmp_path: Path) -> None:
    assert list(read_table(file_of(tmp_path, "a , b\n1, 2\n"))) == ["a", "b"]


def test_categories_of_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": pd.Categorical([3, 4])}).to_parquet(path)
    assert numbers_of(path) == [[3.0], [4.0]]


def test_nullable_columns_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    columns = {"a": pd.array([3, 4], dtype="Int64"), "b": pd.array([True, False], dtype="boolean")}
    pd.DataFrame(columns).to_parquet(path)
    assert numbers_of(path) == [[3.0, 1.0], [4.0, 0.0]]


def test_a_missing_file_shows_the_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_table(Path("none.csv"))
    assert caught.value.where == str(tmp_path / "none.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'\.xlsx'[\s\S]*\.csv, \.parquet"):
        read_table(file_of(tmp_path, "a\n1\n", "data.xlsx"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("data.csv", b"", id="empty csv"),
        pytest.param("data.csv", b"a,b\n\xff,1\n", id="not utf-8"),
        pytest.param("data.csv", b'a,b\n"1,2\n', id="torn within quotes"),
        pytest.param("data.csv", b"a,b\n1,2\n1,2,3\n", id="a row that is too long"),
        pytest.param("data.csv", b"a,b\n1,2,3\n4,5,6\n", id="all rows too long"),
        pytest.param("data.parquet", b"", id="empty parquet"),
        pytest.param("data.parquet", b"PAR1 and no more", id="torn parquet"),
    ],
)
def test_a_file_that_is_no_whole_table_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_table(file_of(tmp_path, content, name))


def test_a_header_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        read_table(file_of(tmp_path, "a,b\n"))


def test_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 1 has no name"):
        read_table(file_of(tmp_path, ",a\n0,5\n1,6\n"))


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a name twice: y"):
        read_table(file_of(tmp_path, "a,y,y\n1,2,3\n"))


def test_text_among_numbers_is_located(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a,b\n1,2\n3,four\n5,six\n")
    with pytest.raises(DataError, match=r"column 'b' holds 2 values .* 'four', in row 2 below"):
        numbers_of(path)


def test_dates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])}).to_parquet(path)
    with pytest.raises(DataError, match="column 'day' holds datetime64"):
        numbers_of(path)


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}])
def test_cells_that_hold_no_single_value_are_refused(tmp_path: Path, cell: object) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": [cell]}).to_parquet(path)
    with pytest.raises(DataError, match="column 'a' holds 1 values that are no numbers"):
        numbers_of(path)


@pytest.mark.parametrize("value", ["", "NaN", "inf", "-inf", "NA"])
def test_missing_and_infinite_values_are_counted_and_located(tmp_path: Path, value: str) -> None:
    path = file_of(tmp_path, f"a,b\n1,2\n3,{value}\n{value},4\n")
    with pytest.raises(DataError, match=r"2 values .* in row 2 below the header, column 'b'"):
        numbers_of(path)


def test_a_row_that_is_too_short_is_located(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in row 2 below the header, column 'b'"):
        numbers_of(file_of(tmp_path, "a,b\n1,2\n3"))
