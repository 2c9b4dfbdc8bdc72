from typing import Any

import pandas as pd

from ermlab.results.fold import describe_folder, describe_same, fold_columns, shorten_run_dirs


def test_columns_that_differ_are_apart_from_those_that_agree(runs: pd.DataFrame) -> None:
    fold = fold_columns(runs)
    assert fold.swept == ["model", "model.hidden_units", "optimizer.lr", "loop.stop_early"]
    assert fold.results == ["status", "train_loss", "valid_loss"]
    assert fold.same == {"seed": 0}


def test_versions_are_not_worth_a_column(runs: pd.DataFrame) -> None:
    versions = runs.assign(version_torch=["2.6", "2.7", "2.8", "2.9", "2.13"])
    fold = fold_columns(versions)
    assert "version_torch" not in [*fold.swept, *fold.results, *fold.same]


def test_an_error_is_shown_where_runs_differ_in_it(runs: pd.DataFrame) -> None:
    errors: list[Any] = ["a", "b", None, None, None]
    assert fold_columns(runs.assign(error=errors)).results[-1] == "error"


def test_a_key_that_follows_from_a_choice_is_not_shown(runs: pd.DataFrame) -> None:
    bias = runs["model"] == "linear"
    assert "model.bias" not in fold_columns(runs.assign(**{"model.bias": bias})).swept


def test_a_key_that_differs_within_a_choice_is_shown(runs: pd.DataFrame) -> None:
    bias = [True, False, True, True, True]
    assert "model.bias" in fold_columns(runs.assign(**{"model.bias": bias})).swept


def test_a_value_that_only_a_failed_run_lacks_counts_as_equal(runs: pd.DataFrame) -> None:
    steps: list[Any] = [500, 500, 500, 500, None]
    assert fold_columns(runs.assign(**{"loop.steps": steps})).same["loop.steps"] == 500


def test_a_value_that_a_completed_run_lacks_is_a_difference(runs: pd.DataFrame) -> None:
    steps: list[Any] = [500, None, 500, 500, 500]
    assert "loop.steps" in fold_columns(runs.assign(**{"loop.steps": steps})).swept


def test_what_is_the_same_is_one_line(runs: pd.DataFrame) -> None:
    fold = fold_columns(runs.head(1))
    told = "model=two_layer, model.hidden_units=8, optimizer.lr=0.1, seed=0"
    assert describe_same(fold) == [f"same in all runs: {told}"]


def test_nothing_in_common_is_no_line(runs: pd.DataFrame) -> None:
    assert describe_same(fold_columns(runs[["run_dir", "status"]])) == []


def test_the_shared_folder_is_told_once(runs: pd.DataFrame) -> None:
    assert describe_folder(runs) == ["run_dir is below: sweep"]
    assert shorten_run_dirs(runs)["run_dir"].tolist() == ["0", "1", "2", "3", "4"]


def test_a_single_run_keeps_its_path(runs: pd.DataFrame) -> None:
    assert shorten_run_dirs(runs.head(1))["run_dir"].tolist() == ["sweep/0"]


def test_paths_without_a_shared_folder_stay(runs: pd.DataFrame) -> None:
    apart = runs.assign(run_dir=["/a/0", "b/1", "b/2", "c/3", "d/4"])
    assert shorten_run_dirs(apart)["run_dir"].tolist() == apart["run_dir"].tolist()
    assert describe_folder(apart) == []


def test_a_key_that_repeats_the_seed_is_not_shown_twice(runs: pd.DataFrame) -> None:
    frame = runs.assign(seed=range(5), **{"data.seed": pd.array([0, 1, None, 3, 4], "Int64")})
    assert "seed" in fold_columns(frame).swept
    assert "data.seed" not in fold_columns(frame).swept
    assert "data.seed" in fold_columns(frame.assign(**{"data.seed": [0, 0, 0, 1, 1]})).swept
