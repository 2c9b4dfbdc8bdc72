import math
from typing import Any

import pandas as pd
import pytest

from ermlab.errors import ConfigError
from ermlab.results.select import is_lower_better, objective_of, select_runs


def order(chosen: pd.DataFrame) -> list[int]:
    return [int(run_dir.split("/")[1]) for run_dir in chosen["run_dir"]]


def test_the_best_run_comes_first_and_failures_last(runs: pd.DataFrame) -> None:
    # Run 3 diverged: its loss of 0.2 is the lowest, and no result.
    assert order(select_runs(runs)) == [1, 0, 2, 3, 4]


def test_an_accuracy_is_best_when_it_is_highest(runs: pd.DataFrame) -> None:
    accuracies = runs.assign(valid_accuracy=[0.5, 0.9, 0.7, 1.0, math.nan])
    chosen = select_runs(accuracies.assign(objective="valid_accuracy"))
    assert order(chosen) == [1, 2, 0, 3, 4]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("optimizer.lr", [4, 1, 0, 2, 3]),
        ("-optimizer.lr", [3, 0, 2, 1, 4]),
        ("-model.hidden_units", [1, 3, 0, 4, 2]),
        ("model", [2, 0, 1, 3, 4]),
        ("-seed", [0, 1, 2, 3, 4]),
    ],
)
def test_a_named_column_sorts_with_missing_values_last(
    runs: pd.DataFrame, sort: str, expected: list[int]
) -> None:
    assert order(select_runs(runs, sort=sort)) == expected


def test_top_keeps_the_first_rows_of_those_that_match(runs: pd.DataFrame) -> None:
    assert order(select_runs(runs, where="model == 'two_layer'", top=2)) == [1, 0]


def test_columns_are_kept_in_the_order_named(runs: pd.DataFrame) -> None:
    chosen = select_runs(runs, columns=["seed", "run_dir", "seed"])
    assert list(chosen.columns) == ["seed", "run_dir"]


def test_the_frame_itself_is_not_changed(runs: pd.DataFrame) -> None:
    before = runs.copy()
    select_runs(runs, where="seed == 0", sort="-optimizer.lr", top=1, columns=["seed"])
    pd.testing.assert_frame_equal(runs, before)


@pytest.mark.parametrize("sort", ["lr", "-lr", "", "-"])
def test_sorting_by_an_unknown_column_lists_the_known_ones(runs: pd.DataFrame, sort: str) -> None:
    with pytest.raises(ConfigError, match=r"where: --sort") as caught:
        select_runs(runs, sort=sort)
    assert "optimizer.lr" in caught.value.fix


def test_choosing_an_unknown_column_lists_the_known_ones(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"where: --columns") as caught:
        select_runs(runs, columns=["seed", "lr"])
    assert "optimizer.lr" in caught.value.fix


@pytest.mark.parametrize("top", [0, -1])
def test_a_top_below_one_is_refused(runs: pd.DataFrame, top: int) -> None:
    with pytest.raises(ConfigError, match="at least 1 run"):
        select_runs(runs, top=top)


def test_runs_without_any_loss_stay_in_their_order(runs: pd.DataFrame) -> None:
    assert order(select_runs(runs.drop(columns=["train_loss", "valid_loss"]))) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "valid_loss"),
        ({"objective": "train_loss"}, "train_loss"),
        ({"objective": "unheard_of"}, "valid_loss"),
        ({"valid_loss": math.nan}, "train_loss"),
        ({"objective": ["valid_loss", "train_loss", None, None, None]}, "valid_loss"),
    ],
)
def test_the_objective_is_what_the_runs_say_and_have(
    runs: pd.DataFrame, changes: dict[str, Any], expected: str
) -> None:
    assert objective_of(runs.assign(**changes)) == expected


@pytest.mark.parametrize(
    ("column", "is_lower"),
    [("valid_loss", True), ("valid_accuracy", False), ("val_acc_best", False), ("wall_s", True)],
)
def test_a_higher_accuracy_is_better(runs: pd.DataFrame, column: str, is_lower: bool) -> None:
    assert is_lower_better(runs, column) == is_lower


@pytest.mark.parametrize(("directions", "is_lower"), [("ab", True), ("aa", False)])
def test_what_a_study_maximizes_is_better_when_higher(directions: str, is_lower: bool) -> None:
    names = {"a": "maximize", "b": "minimize"}
    frame = pd.DataFrame({"objective": ["value"] * 2, "direction": [names[d] for d in directions]})
    assert is_lower_better(frame, "value") == is_lower
