import io
import json
import math
import os
from pathlib import Path

import pandas as pd
import pytest

from ermlab.errors import ConfigError, RunDirError
from ermlab.results.table import FORMATS, cell_text, format_table, write_table

TEXT_FORMATS = ("table", "csv", "json", "markdown")


def test_a_table_lines_up_numbers_on_the_right() -> None:
    frame = pd.DataFrame({"model": ["linear", "b"], "seed": [1, 10], "valid_loss": [0.688, 12.345]})
    assert format_table(frame, "table", notes=["a note"]) == (
        "model   seed  valid_loss\n"
        "------  ----  ----------\n"
        "linear     1      0.6880\n"
        "b         10       12.35\n"
        "\n"
        "a note\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (pd.NA, "-"),
        (math.nan, "-"),
        (math.inf, "inf"),
        (True, "true"),
        (12345, "12345"),
        (1.23456e-7, "1.235e-07"),
        (25.0, "25"),
        ("NaN", "NaN"),
    ],
)
def test_a_cell_is_short_and_tells_what_is_missing(value: object, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize("format", TEXT_FORMATS)
def test_no_text_can_control_the_terminal(format: str) -> None:
    hostile = "\x1b[31mred\x1b]0;title\x07\x9b2J\r\u202e\u200b"
    frame = pd.DataFrame({f"a{hostile}": [hostile], "run_dir": [hostile]})
    text = format_table(frame, format, notes=[hostile])
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("format", TEXT_FORMATS)
@pytest.mark.parametrize("markup", ["[red]", "[/]", "[link=file:///etc]x", ":smile:"])
def test_markup_is_printed_literally(format: str, markup: str) -> None:
    assert markup in format_table(pd.DataFrame({markup: [markup]}), format)


def test_output_that_is_no_terminal_is_not_cut() -> None:
    frame = pd.DataFrame({f"column_{i}": ["x" * 200] for i in range(20)})
    assert format_table(frame, "table").count("x" * 200) == 20


def test_long_text_is_clipped_in_a_terminal() -> None:
    text = format_table(pd.DataFrame({"error": ["e" * 200]}), "table", width=80)
    assert max(map(len, text.split("\n"))) <= 80


def test_a_long_path_keeps_its_end() -> None:
    text = format_table(pd.DataFrame({"run_dir": ["p" * 200 + "/17"]}), "table", width=80)
    assert "p/17\n" in text


def test_columns_without_room_are_named_beneath() -> None:
    frame = pd.DataFrame({"run_dir": ["0"], "lr": [0.1], "valid_loss": [0.5], "steps": [500]})
    lines = format_table(frame, "table", width=25).split("\n")
    assert lines[0] == "run_dir   lr  valid_loss"
    assert "no room for: steps (" in " ".join(lines)


def test_wide_characters_take_two_places() -> None:
    lines = format_table(pd.DataFrame({"a": ["日本", "b"], "c": ["x", "y"]}), "table").split("\n")
    assert lines[2:4] == ["日本  x", "b     y"]


def test_csv_keeps_every_digit() -> None:
    frame = pd.DataFrame({"lr": [0.1 + 0.2, math.nan], "name": ["a,b", None]})
    read = pd.read_csv(io.StringIO(format_table(frame, "csv")))
    assert read["lr"][0] == 0.1 + 0.2
    assert read["name"][0] == "a,b"


def test_csv_has_one_line_per_run() -> None:
    text = format_table(pd.DataFrame({"error": ["one\ntwo"]}), "csv")
    assert text == "error\none\\ntwo\n"


def test_json_has_null_for_what_is_no_number() -> None:
    frame = pd.DataFrame(
        {"a": [math.nan, math.inf], "b": pd.array([1, None], dtype="Int64"), "c": ["x", None]}
    )
    expected = [{"a": None, "b": 1, "c": "x"}, {"a": None, "b": None, "c": None}]
    assert json.loads(format_table(frame, "json")) == expected


def test_json_of_no_runs_is_an_empty_list() -> None:
    assert json.loads(format_table(pd.DataFrame({"a": []}), "json")) == []


def test_markdown_keeps_a_bar_inside_its_cell() -> None:
    frame = pd.DataFrame({"a": ["x|<b>"], "n": [1]})
    expected = "| a | n |\n| --- | ---: |\n| x\\|&lt;b> | 1 |\n"
    assert format_table(frame, "markdown") == expected


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_goes_to_a_file(runs: pd.DataFrame, tmp_path: Path, format: str) -> None:
    write_table(runs, format, output=tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_parquet_reads_back_the_same_frame(runs: pd.DataFrame, tmp_path: Path) -> None:
    write_table(runs, "parquet", output=tmp_path / "runs.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "runs.parquet"), runs)


def test_parquet_does_not_go_to_the_terminal(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError) as caught:
        write_table(runs, "parquet")
    assert "--output" in caught.value.fix


def test_an_unknown_format_lists_the_known_ones(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="no format 'xlsx'") as caught:
        write_table(runs, "xlsx")
    assert all(format in caught.value.fix for format in FORMATS)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_file_that_cannot_be_written_is_an_error_that_names_it(
    runs: pd.DataFrame, tmp_path: Path, format: str
) -> None:
    with pytest.raises(RunDirError) as caught:
        write_table(runs, format, output=tmp_path / "missing" / "out")
    assert caught.value.where == str(tmp_path / "missing" / "out")


def test_a_failed_write_leaves_the_old_file(
    runs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    (tmp_path / "out.csv").write_text("old")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RunDirError, match="No space left"):
        write_table(runs, "csv", output=tmp_path / "out.csv")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"out.csv": "old"}


def test_a_terminal_that_lacks_a_character_gets_its_escape(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    write_table(pd.DataFrame({"a": ["é"]}), "table")
    stream.seek(0)
    assert "\\xe9" in stream.read()


def test_a_narrow_terminal_keeps_what_was_set_longer_than_outcomes() -> None:
    frame = pd.DataFrame(
        {"run_dir": ["0"], "lr": [0.1], "status": ["completed"], "train_loss": [0.5]}
        | {"valid_loss": [0.5], "wall_s": [1.0]}
    )
    lines = format_table(frame, "table", width=36).split("\n")
    assert lines[0].split() == ["run_dir", "lr", "status", "valid_loss"]
    assert "no room for: train_loss, wall_s (" in " ".join(lines)


def test_notes_are_wrapped_in_a_terminal_and_paths_stay_whole() -> None:
    path = "/a-long/path-that/is-wider/than-the/terminal-itself"
    text = format_table(
        pd.DataFrame({"a": [1]}), "table", width=20, notes=["one two three four five", path]
    )
    assert "\none two three four\n  five\n" in text
    assert f"\n{path}\n" in text
