"""The table source: which columns become inputs, targets and labels, and each refusal."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ermlab.data.names import Array
from ermlab.data.table import table
from ermlab.errors import ConfigError, DataError

CSV = "age,price,color\n1,10,red\n2,20,blue\n3,30,red\n"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(CSV)
    return path


def read(path: Path | str | None, targets: Any, **changes: Any) -> tuple[Array, Array]:
    options = {"inputs": None, "labels": False} | changes
    return table(path=None if path is None else str(path), targets=targets, **options)


def test_columns_are_chosen_by_name(csv: Path) -> None:
    x, y = read(csv, ["price"], inputs=["age"])
    assert (x.tolist(), y.tolist()) == ([[1.0], [2.0], [3.0]], [[10.0], [20.0], [30.0]])


def test_one_name_needs_no_list(csv: Path) -> None:
    x, y = read(csv, "price", inputs="age")
    assert (x.shape, y.shape) == ((3, 1), (3, 1))


def test_columns_stand_in_the_order_asked_for(csv: Path) -> None:
    x, _ = read(csv, "color", inputs=["price", "age"], labels=True)
    assert x[0].tolist() == [10.0, 1.0]


def test_all_other_columns_are_inputs_by_default(csv: Path) -> None:
    x, _ = read(csv, "color", labels=True)
    assert x[0].tolist() == [1.0, 10.0]


def test_text_labels_are_numbered_in_sorted_order(csv: Path) -> None:
    _, y = read(csv, "color", labels=True)
    assert (y.tolist(), str(y.dtype)) == ([1, 0, 1], "int64")


def test_number_labels_are_numbered_in_sorted_order(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,class\n0,10\n0,9\n0,-1\n")
    assert read(path, "class", labels=True)[1].tolist() == [2, 1, 0]


def test_parquet_reads_as_csv_does(csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.PARQUET"
    pd.read_csv(csv).to_parquet(path)
    for from_parquet, from_csv in zip(
        read(path, "color", labels=True), read(csv, "color", labels=True), strict=True
    ):
        assert from_parquet.tolist() == from_csv.tolist()


def test_a_relative_path_starts_at_the_working_directory(
    csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    assert read("data.csv", "price", inputs="age")[0].shape == (3, 1)


@pytest.mark.parametrize(("path", "targets"), [(None, "y"), ("f.csv", None), ("f.csv", [])])
def test_a_key_that_is_not_set_shows_how_to_set_both(path: str | None, targets: Any) -> None:
    with pytest.raises(ConfigError, match=r"data\.path=FILE data\.targets=\[COLUMN\]"):
        read(path, targets)


@pytest.mark.parametrize("key", ["targets", "inputs"])
def test_an_unknown_column_lists_the_known_ones(csv: Path, key: str) -> None:
    options = {"targets": "price", "inputs": "age"} | {key: ["size"]}
    with pytest.raises(ConfigError, match=r"'size'[\s\S]*age, color, price"):
        read(csv, **options)


@pytest.mark.parametrize("key", ["targets", "inputs"])
def test_a_column_named_twice_is_refused(csv: Path, key: str) -> None:
    options = {"targets": "price", "inputs": "age"} | {key: ["color", "color"]}
    with pytest.raises(ConfigError, match="named twice: color"):
        read(csv, **options)


def test_a_target_among_the_inputs_is_refused(csv: Path) -> None:
    with pytest.raises(ConfigError, match="at once: price"):
        read(csv, "price", inputs=["age", "price"])


def test_no_column_left_for_the_inputs_is_refused(csv: Path) -> None:
    with pytest.raises(ConfigError, match="no column is left"):
        read(csv, ["age", "price", "color"])


def test_labels_in_two_columns_are_refused(csv: Path) -> None:
    with pytest.raises(ConfigError, match="2 target columns"):
        read(csv, ["age", "color"], labels=True)


def test_text_in_a_target_column_is_located(csv: Path) -> None:
    with pytest.raises(DataError, match=r"column 'color' holds 3 values .* 'red', in row 1"):
        read(csv, "color")


def test_a_missing_label_is_located(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,class\n0,x\n0,\n0,y\n")
    with pytest.raises(DataError, match="1 class labels are missing, the first one in row 2"):
        read(path, "class", labels=True)


@pytest.mark.parametrize("cells", [[{"a": 1}, {"a": 2}], [[1, 2], [3, 4]]])
def test_labels_that_cannot_be_sorted_are_refused(tmp_path: Path, cells: list[object]) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": [1, 2], "class": cells}).to_parquet(path)
    with pytest.raises(DataError, match="'class' cannot be sorted"):
        read(path, "class", labels=True)


def test_categories_are_numbered_in_sorted_order(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    classes = pd.Categorical(["x", "y", "x"], categories=["y", "x"])
    pd.DataFrame({"a": [1, 2, 3], "class": classes}).to_parquet(path)
    assert read(path, "class", labels=True)[1].tolist() == [0, 1, 0]


def test_the_names_of_columns_and_classes_come_with_the_arrays(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text("size,kind,age\n1,villa,3\n2,house,4\n")
    given = table(path=str(path), targets="kind", inputs=["age", "size"], labels=True)
    assert (given.names.inputs, given.names.targets) == (["age", "size"], ["kind"])
    assert given.names.classes == ["house", "villa"]
    assert given[1].tolist() == [1, 0]
