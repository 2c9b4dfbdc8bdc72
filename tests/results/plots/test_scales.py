import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermlab.results.plots.picture import LINEAR, LOG, Axis, Line, Panel
from ermlab.results.plots.scales import find_axis_limits, find_limits, find_middles, find_ticks

positive = st.floats(1e-12, 1e12)


@given(st.lists(positive, min_size=1, max_size=5), st.sampled_from([LINEAR, LOG]))
def test_limits_hold_all_values_and_ticks_lie_within(values: list[float], scale: str) -> None:
    axis = Axis(label="", scale=scale)
    low, high = find_axis_limits(axis, tuple(values))
    assert low < high
    assert low <= min(values)
    assert max(values) <= high
    ticks = [value for value, _ in find_ticks(axis, (low, high), 6)]
    assert ticks == sorted(ticks)
    assert all(low <= tick <= high for tick in ticks)
    assert len(ticks) <= 9  # a few more than asked for are what matplotlib's locators give


@given(st.lists(st.floats(0.5, 2000), min_size=2, max_size=12, unique=True), st.integers(2, 8))
def test_named_ticks_are_thinned_until_they_have_room(values: list[float], most: int) -> None:
    axis = Axis(label="", scale=LOG, ticks=tuple(sorted(values)))
    limits = find_axis_limits(axis, axis.ticks)
    kept = [math.log(value) for value, _ in find_ticks(axis, limits, most)]
    gap = (math.log(limits[1]) - math.log(limits[0])) / most
    assert all(b - a >= gap * (1 - 1e-9) for a, b in pairwise(kept))
    assert kept


def test_decades_are_written_as_plain_numbers() -> None:
    ticks = find_ticks(Axis(label="", scale=LOG), (0.0005, 200.0), 7)
    assert [text for _, text in ticks] == ["0.001", "0.01", "0.1", "1", "10", "100"]


def test_one_value_has_room_around_it() -> None:
    assert find_axis_limits(Axis(label=""), (4.0, 4.0)) == (2.0, 6.0)
    assert find_axis_limits(Axis(label="", scale=LOG), (4.0,)) == (2.0, 8.0)


def test_a_band_is_within_the_limits() -> None:
    line = Line(x=(0.0, 1.0), y=(1.0, 1.0), low=(0.0, 0.5), high=(3.0, 2.0), name="", colour="ink")
    panel = Panel(x=Axis(label=""), y=Axis(label=""), marks=[line])
    _, (low, high) = find_limits(panel)
    assert low < 0
    assert high > 3


def test_middles_are_on_the_scale_of_the_axis() -> None:
    edges = (1.0, 100.0, 10000.0)
    np.testing.assert_allclose(find_middles(edges, Axis(label="", scale=LOG)), [10.0, 1000.0])
    np.testing.assert_allclose(find_middles(edges, Axis(label="")), [50.5, 5050.0])


@pytest.mark.parametrize("most", [3, 5, 6])
def test_ticks_over_many_decades_are_powers_of_ten(most):
    ticks = [value for value, _ in find_ticks(Axis(label="", scale=LOG), (0.9, 1.5e9), most)]
    assert 2 <= len(ticks) <= most
    assert ticks == [10.0 ** round(math.log10(tick)) for tick in ticks]
