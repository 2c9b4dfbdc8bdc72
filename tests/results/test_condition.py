import sys
from pathlib import Path

import pandas as pd
import pytest

from ermlab.errors import ConfigError
from ermlab.results.condition import MAX_LENGTH, find_matching


def rows(runs: pd.DataFrame, where: str) -> list[int]:
    return runs.index[find_matching(runs, where)].tolist()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("model.hidden_units > 32 and status == 'completed'", []),
        ("model.hidden_units > 32", [1, 3]),
        ('status == "completed" or status == "failed"', [0, 2, 4]),
        ("not status == 'completed'", [1, 3, 4]),
        ("0.01 < optimizer.lr <= 0.1", [0, 2]),
        ("optimizer.lr in [0.01, 10]", [1, 3]),
        ("model not in ('two_layer',)", [2]),
        ("valid_loss > train_loss * 1.2 + 0.1 / 2 - 0 // 1 % 3", [1, 3]),
        ("optimizer.lr == -1", [4]),
        ("`model.hidden_units` == 8", [0, 4]),
        ("model == '`linear`' or model == 'linear'", [2]),
        ("loop.stop_early", [0, 2]),
        ("loop.stop_early == false", [1]),
        ("64 == model.hidden_units", [1, 3]),
        ("seed == 99999999999999999999999", []),
        ("status == 3", []),
        ("error == '\\d'", []),
    ],
)
def test_a_condition_chooses_rows(runs: pd.DataFrame, where: str, expected: list[int]) -> None:
    assert rows(runs, where) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("model.hidden_units < 1000", [0, 1, 3, 4]),
        ("model.hidden_units != 8", [1, 2, 3]),
        ("valid_loss != 0.2", [0, 1, 2, 4]),
        ("valid_loss == null", [4]),
        ("error != null", [4]),
        ("null == model.hidden_units", [2]),
        ("loop.stop_early != true", [1, 3, 4]),
    ],
)
def test_a_missing_value_equals_nothing(
    runs: pd.DataFrame, where: str, expected: list[int]
) -> None:
    assert rows(runs, where) == expected


@pytest.mark.parametrize(
    "where",
    [
        "__import__('os').system('touch pwned')",
        "status.__class__.__mro__ == 1",
        "status.str.len() > 3",
        "@pd.eval('1') == 1",
        "[x for x in (1,)] == seed",
        "(lambda: 1)() == seed",
        "f'{seed}' == status",
        "seed == (x := 1)",
        "seed[0] == 1",
        "seed ** 9 ** 9 ** 9 > 1",
        "'a' * 999999999999 == status",
        "seed << 1 > 1",
        "seed == b'1'",
        "seed == 1j",
        "seed if seed else seed",
        "seed is 0",
        "*seed",
    ],
)
def test_a_condition_cannot_run_code(
    runs: pd.DataFrame, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        find_matching(runs, where)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "where",
    [
        "",
        "seed >",
        "seed",
        "1 < 2",
        "true",
        "seed in 3",
        "seed in [seed]",
        "status + 1 == 2",
        "status < 3",
        "1 / 0 == seed",
        "seed > 0 & seed < 3",
        "(" * 500,
        "-" * 1500 + "1 == seed",
        "not " * 450 + "seed == 1" + " " * 4000,
        "\0",
        "9" * (sys.int_info.default_max_str_digits // 4),
        "'unclosed",
        "`nothing` == 1",
        "seed == `",
    ],
)
def test_what_is_no_condition_is_refused_in_three_parts(runs: pd.DataFrame, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_matching(runs, where)
    assert all((caught.value.what, caught.value.where == "--where", caught.value.fix))


def test_an_unknown_column_lists_the_known_ones(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"no column 'hidden_units'") as caught:
        find_matching(runs, "hidden_units > 3")
    assert "model.hidden_units" in caught.value.fix


def test_text_without_quotes_is_told_to_need_them(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError) as caught:
        find_matching(runs, "status == completed")
    assert "put text in quotes" in caught.value.fix


def test_a_text_longer_than_the_limit_is_refused(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=str(MAX_LENGTH)):
        find_matching(runs, "seed == 0" + " or seed == 0" * MAX_LENGTH)


def test_a_frame_without_rows_gives_no_row(runs: pd.DataFrame) -> None:
    assert rows(runs.head(0), "seed == 0 and model != 'linear'") == []
