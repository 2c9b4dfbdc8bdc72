from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermlab.errors import ConfigError
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.pareto import describe_pareto, find_front
from ermlab.results.plots.picture import Line
from ermlab.results.plots.subject import load_subject

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]

Value = st.integers(0, 5)  # few values, so that there are ties


@given(st.lists(st.tuples(Value, Value), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_the_front_is_what_no_other_run_beats(
    pairs: list[tuple[int, int]], first_high: bool, second_high: bool
) -> None:
    x, y = np.array(pairs, dtype=float).T
    front = find_front(x, y, np.ones(len(x), dtype=bool), [first_high, second_high])
    a, b = (-x if first_high else x), (-y if second_high else y)
    wanted = [
        i for i in range(len(a))
        if not any(
            a[j] <= a[i] and b[j] <= b[i] and (a[j] < a[i] or b[j] < b[i]) for j in range(len(a))
        )
    ]  # fmt: skip
    assert sorted(front) == wanted


def test_the_line_is_the_front_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    picture = describe_pareto(load_subject([sweep]), ["n_parameters", "valid_loss"])
    (line,) = [mark for mark in picture.panels[0].marks if isinstance(mark, Line)]
    good = [run for run in raw(sweep) if run["valid_loss"] is not None]
    small = [run for run in good if run["n_parameters"] == 1000]
    # Fewer rows in a batch mean both fewer parameters and, here, a lower loss: one run is it all.
    best = min(small, key=lambda run: run["valid_loss"])
    assert (line.x, line.y) == ((1000.0,), (best["valid_loss"],))
    assert "6 runs lack" in picture.note
    draw_picture(picture)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([], "needs two objectives, and 0"),
        (["valid_loss"], "needs two objectives, and 1"),
        (["valid_loss", "valid_loss"], "needs two objectives, and 1"),
        (["valid_loss", "steps", "wall_s"], "needs two objectives, and 3"),
        (["valid_loss", "nope"], "no column 'nope'"),
        (["valid_loss", "model"], "model holds no numbers"),
    ],
)
def test_wrong_columns_are_told_in_words(
    make_sweep: MakeSweep, columns: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        describe_pareto(load_subject([make_sweep()]), columns)


def test_two_columns_that_no_run_has_both_of_are_told(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(1.0,))
    with pytest.raises(ConfigError, match="no run has both"):
        describe_pareto(load_subject([sweep]), ["n_parameters", "wall_s"])
