"""Means over seeds, as `ermlab transfer` prints them."""

import pandas as pd

from ermlab.results.transfer_table import mean_over_seeds

FRAME = pd.DataFrame(
    {
        "model": ["gnn", "gnn", "filter", "gnn"],
        "taps": [4, 4, None, 8],
        "loss": [1.0, 2.0, 5.0, None],
    }
)


def test_each_group_has_the_mean_and_the_deviation_of_its_runs():
    table = mean_over_seeds(FRAME, by=["model", "taps"], columns=["loss"])
    assert table["runs"].tolist() == [2, 1, 1]
    assert table["loss"].tolist()[:2] == ["1.5 ± 0.71", "5"]
    assert pd.isna(table["loss"][2])


def test_without_a_column_that_differs_all_runs_are_one_group():
    table = mean_over_seeds(FRAME, by=[], columns=["loss"])
    assert table.to_dict("records") == [{"runs": 4, "loss": "2.667 ± 2.1"}]
