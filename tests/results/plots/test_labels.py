import pandas as pd
import pytest

from ermlab.results.plots.labels import (
    describe_axis,
    describe_column,
    describe_runs,
    place_values,
    plain_text,
    shorten_keys,
)
from ermlab.results.plots.picture import LINEAR, LOG


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([10, 20, 50, 100, 200], LOG),  # a grid that doubles
        ([10, 20, 30, 40], LINEAR),
        ([1.0, 100.0], LOG),  # spans decades
        ([1.0, 2.0], LINEAR),
        ([0.0, 100.0, 10000.0], LINEAR),  # zero has no logarithm
        ([-1.0, 10.0, 100.0], LINEAR),
        ([5.0, 5.0], LINEAR),
    ],
)
def test_the_scale_follows_the_values(values: list[float], scale: str) -> None:
    axis = describe_axis(pd.DataFrame({"k": values}), "k")
    assert axis.scale == scale
    assert list(axis.ticks) == sorted(set(values))


def test_many_values_leave_the_ticks_to_the_axis() -> None:
    assert describe_axis(pd.DataFrame({"k": range(13)}), "k").ticks == ()


def test_words_and_bools_stand_in_order_at_their_places() -> None:
    column = pd.Series([True, False, None], dtype="boolean")
    axis = describe_axis(pd.DataFrame({"k": column}), "k")
    assert axis.names == ("false", "true")
    assert place_values(column)[:2].tolist() == [1.0, 0.0]
    assert pd.isna(place_values(column)[2])


def test_a_label_says_the_unit_in_words() -> None:
    frame = pd.DataFrame({"loss": ["squared_error"] * 2, "valid_loss": [1.0, 2.0]})
    assert describe_column(frame, "valid_loss") == "validation loss [squared error]"
    assert describe_column(frame.assign(loss=["a", "b"]), "valid_loss") == "validation loss"
    assert describe_column(frame, "wall_s") == "time [seconds]"
    scaled = frame.assign(**{"data.standardize": "inputs_and_targets"})
    assert describe_column(scaled, "valid_loss").endswith(" of standardized targets]")
    assert describe_column(frame, "my.key") == "my.key"


def test_keys_are_as_short_as_tells_them_apart() -> None:
    names = ["model.lr", "optimizer.lr", "model.hidden_units", "seed"]
    assert shorten_keys(names) == {
        "model.lr": "model.lr", "optimizer.lr": "optimizer.lr",
        "model.hidden_units": "hidden_units", "seed": "seed",
    }  # fmt: skip


def test_a_run_is_told_in_one_line() -> None:
    frame = pd.DataFrame(
        {"run_dir": ["a/0", "a/1"], "m.k": [1, None], "status": ["completed", "failed"]}
    )
    told = describe_runs(frame.assign(valid_loss=[0.5, None]), ["m.k"], "valid_loss")
    assert told == ("0: k=1, completed, valid_loss 0.5", "1: failed, valid_loss -")


def test_a_label_is_one_short_line() -> None:
    assert plain_text("a\nb\x1b") == "a\\nb\\x1b"
    assert len(plain_text("x" * 300)) == 60
