"""Splits: what always holds, and what is refused."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermlab.data.splits import SPLITS, split_rows, split_sizes
from ermlab.errors import ConfigError

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}
PARTITIONS = st.sampled_from(["in_order", "random"])
SEEDS = st.integers(0, 2**32 - 1)


def sizes_of(train: float, valid: float, test: float) -> dict[str, int | float]:
    return {"train": train, "valid": valid, "test": test}


@settings(deadline=None)
@given(n_rows=st.integers(3, 500), partition=PARTITIONS, seed=SEEDS)
def test_fractions_of_one_partition_the_rows(n_rows: int, partition: str, seed: int) -> None:
    parts = split_rows(n_rows, sizes=SHARES, partition=partition, seed=seed)
    assert sorted(int(i) for part in parts.values() for i in part) == list(range(n_rows))


@settings(deadline=None)
@given(
    counts=st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50)),
    n_unused=st.integers(0, 50),
    partition=PARTITIONS,
    seed=SEEDS,
)
def test_splits_have_the_counts_asked_for_and_are_disjoint(
    counts: tuple[int, int, int], n_unused: int, partition: str, seed: int
) -> None:
    parts = split_rows(
        sum(counts) + n_unused, sizes=sizes_of(*counts), partition=partition, seed=seed
    )
    assert tuple(len(parts[name]) for name in SPLITS) == counts
    assert len(np.unique(np.concatenate(list(parts.values())))) == sum(counts)


@settings(deadline=None)
@given(n_rows=st.integers(10, 10_000), percents=st.tuples(*[st.integers(1, 33) for _ in range(3)]))
def test_a_fraction_is_rounded_down_and_never_to_nothing(
    n_rows: int, percents: tuple[int, int, int]
) -> None:
    sizes = sizes_of(*(percent / 100 for percent in percents))
    counts = split_sizes(n_rows, sizes)
    expected = [max(1, percent * n_rows // 100) for percent in percents]
    assert [counts[name] for name in SPLITS] == expected


@settings(deadline=None)
@given(seed=SEEDS, n_train=st.integers(1, 60))
def test_random_test_rows_do_not_depend_on_the_train_size(seed: int, n_train: int) -> None:
    parts = split_rows(100, sizes=sizes_of(n_train, 20, 20), partition="random", seed=seed)
    other = split_rows(100, sizes=sizes_of(60, 20, 20), partition="random", seed=seed)
    np.testing.assert_array_equal(parts["test"], other["test"])


def test_in_order_takes_train_then_valid_then_test() -> None:
    parts = split_rows(10, sizes=sizes_of(3, 2, 1), partition="in_order", seed=0)
    assert {name: part.tolist() for name, part in parts.items()} == {
        "train": [0, 1, 2],
        "valid": [3, 4],
        "test": [5],
    }


def test_the_same_seed_gives_the_same_rows() -> None:
    parts = [split_rows(50, sizes=SHARES, partition="random", seed=7) for _ in range(2)]
    np.testing.assert_array_equal(parts[0]["train"], parts[1]["train"])


def test_another_seed_gives_other_rows() -> None:
    parts = [split_rows(50, sizes=SHARES, partition="random", seed=seed) for seed in (7, 8)]
    assert parts[0]["train"].tolist() != parts[1]["train"].tolist()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param(sizes_of(0.6, 0.2, 0.2), (61, 20, 20), id="the remainder goes to train"),
        pytest.param(sizes_of(0.5, 0.2, 0.2), (50, 20, 20), id="a part of the rows"),
        pytest.param(sizes_of(0.8, 0.2, 0), (81, 20, 0), id="no test split"),
        pytest.param(sizes_of(0.5, 30, 0.1), (50, 30, 10), id="counts and fractions"),
        pytest.param(sizes_of(5e1, 0.0, 2.0), (50, 0, 2), id="whole floats are counts"),
    ],
)
def test_sizes_of_101_rows(sizes: Mapping[str, float], expected: tuple[int, ...]) -> None:
    assert tuple(split_sizes(101, sizes).values()) == expected


def test_rounding_of_floats_loses_no_row() -> None:
    # 0.29 * 100 is 28.999999999999996 in float64.
    assert split_sizes(100, sizes_of(0.29, 1, 1))["train"] == 29


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        pytest.param(sizes_of(90, 20, 0), "have 100 rows.*takes 110 rows", id="too many"),
        pytest.param(sizes_of(0.6, 0.3, 0.2), "fractions add up to 1.1", id="fractions above one"),
        pytest.param(sizes_of(0, 20, 20), "no row is left for train", id="no train count"),
        pytest.param(sizes_of(0.9, 0.1, 100), "no row is left for train", id="test takes all"),
        pytest.param(sizes_of(-5, 1, 1), "n_train is -5", id="negative"),
        pytest.param(sizes_of(5, 1.5, 1), "n_valid is 1.5", id="neither count nor fraction"),
        pytest.param(sizes_of(1.0, 0, 0), "n_train is 1.0", id="one as a float is ambiguous"),
        pytest.param(sizes_of(5, 1, float("nan")), "n_test is nan", id="nan"),
        pytest.param(sizes_of(5, 1, float("inf")), "n_test is inf", id="infinite"),
        pytest.param(sizes_of(True, 1, 1), "n_train is True", id="a boolean"),
    ],
)
def test_sizes_that_do_not_fit_100_rows_are_refused(
    sizes: Mapping[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        split_sizes(100, sizes)


def test_too_few_rows_for_three_fractions_are_refused() -> None:
    with pytest.raises(ConfigError, match="have 2 rows"):
        split_sizes(2, SHARES)


def test_an_unknown_partition_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="in_order, random"):
        split_rows(10, sizes=SHARES, partition="sorted", seed=0)
