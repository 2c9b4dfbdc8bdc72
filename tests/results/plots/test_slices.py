import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ermlab.errors import ConfigError
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.picture import LINEAR, LOG, Panel, Points
from ermlab.results.plots.slices import describe_slices
from ermlab.results.plots.subject import load_subject

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]


def points_of(panel: Panel) -> dict[str, Points]:
    return {mark.name: mark for mark in panel.marks if isinstance(mark, Points)}


def test_each_point_is_a_run_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    picture = describe_slices(load_subject([sweep]))
    assert [panel.x.label for panel in picture.panels] == [
        "step size [parameter units]", "batch size [rows]",
    ]  # fmt: skip
    good = [run for run in raw(sweep) if run["status"] == "completed"]
    for panel, key in zip(picture.panels, ("optimizer.lr", "loop.batch_size"), strict=True):
        points = points_of(panel)["completed"]
        assert list(points.x) == [run[key] for run in good]
        assert list(points.y) == [run["valid_loss"] for run in good]


def test_matplotlib_draws_the_numbers_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    figure = draw_picture(describe_slices(load_subject([sweep])))
    (points,) = [line for line in figure.axes[0].lines if line.get_label() == "completed"]
    good = [run for run in raw(sweep) if run["status"] == "completed"]
    wanted = [[run["optimizer.lr"], run["valid_loss"]] for run in good]
    assert points.get_xydata().tolist() == wanted


def test_runs_without_result_stand_above_the_others(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    panel = describe_slices(load_subject([sweep])).panels[0]
    lost = points_of(panel)["diverged"]
    assert len(lost.x) == 6
    highest = max(run["valid_loss"] or 0 for run in raw(sweep))
    assert highest < panel.ceiling < min(lost.y) < panel.y.limits[1]


def test_the_best_run_has_a_ring(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    ring = points_of(describe_slices(load_subject([sweep])).panels[0])["best"]
    best = min((run for run in raw(sweep) if run["valid_loss"]), key=lambda run: run["valid_loss"])
    assert (ring.x, ring.y) == ((best["optimizer.lr"],), (best["valid_loss"],))


def test_the_highest_accuracy_is_the_best(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.01, 0.1), n_seeds=1, objective="valid_accuracy", valid_accuracy=0.5)
    summary = sweep / "2" / "summary.json"
    summary.write_text(
        summary.read_text().replace('"valid_accuracy": 0.5', '"valid_accuracy": 0.9')
    )
    ring = points_of(describe_slices(load_subject([sweep])).panels[0])["best"]
    assert ring.y == (0.9,)


def test_a_key_searched_on_a_log_scale_has_a_log_axis(make_sweep: MakeSweep) -> None:
    # Two values span less than the decades that would make the axis logarithmic by themselves.
    sweep = make_sweep(lrs=(0.1, 0.2))
    scales = [panel.x.scale for panel in describe_slices(load_subject([sweep])).panels]
    assert scales == [LOG, LINEAR]


def test_words_have_places_of_their_own(make_sweep: MakeSweep) -> None:
    make_sweep("both/a", model="mlp", lrs=(0.1,), batches=(10,))
    sweep = make_sweep("both/b", model="linear", lrs=(0.1,), batches=(10,)).parent
    panel = describe_slices(load_subject([sweep])).panels[0]
    assert panel.x.names == ("linear", "mlp")
    assert sorted(points_of(panel)["completed"].x) == [0.0] * 3 + [1.0] * 3


def test_nothing_that_varies_is_told_in_words(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,))
    with pytest.raises(ConfigError, match="nothing varies"):
        describe_slices(load_subject([sweep]))


def test_no_result_at_all_is_told_in_words(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(1.0, 2.0))
    with pytest.raises(ConfigError, match="no run has a result"):
        describe_slices(load_subject([sweep]))


def test_equal_results_have_an_axis(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(n_seeds=1, valid_loss=0.5, status="completed")
    low, high = describe_slices(load_subject([sweep])).panels[0].y.limits
    assert math.isfinite(low)
    assert low < 0.5 < high
