import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermlab.errors import ConfigError
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.heatmap import describe_heatmap
from ermlab.results.plots.picture import LOG, Cells
from ermlab.results.plots.subject import load_subject

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]
LRS, ROWS = (0.01, 0.1, 1.0), (10, 40)


def rewrite(run_dir: Path, columns: dict[str, Any]) -> None:
    path = run_dir / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | columns))


def test_each_cell_is_the_median_of_its_runs(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    picture = describe_heatmap(load_subject([sweep]))
    (cells,) = picture.panels[0].marks
    assert isinstance(cells, Cells)
    for row, rows in enumerate(ROWS):
        for column, lr in enumerate(LRS):
            runs = [
                run for run in raw(sweep)
                if run["optimizer.lr"] == lr and run["loop.batch_size"] == rows
            ]  # fmt: skip
            results = [run["valid_loss"] for run in runs if run["valid_loss"] is not None]
            value = cells.values[row][column]
            assert cells.marked[row][column] == ("diverged" if lr == 1.0 else "")
            if results:
                assert value == statistics.median(results)
                assert cells.texts[row][column] == f"median {value:.4g}, 3 runs"
            else:
                assert math.isnan(value)
                assert cells.texts[row][column] == "3 of 3 runs diverged"
            assert cells.x_edges[column] < lr < cells.x_edges[column + 1]
            assert cells.y_edges[row] < rows < cells.y_edges[row + 1]
    finite = [value for each in cells.values for value in each if not math.isnan(value)]
    assert cells.values[cells.best[0]][cells.best[1]] == min(finite)


def test_matplotlib_draws_the_cells_and_crosses(make_sweep: MakeSweep) -> None:
    picture = describe_heatmap(load_subject([make_sweep()]))
    (cells,) = picture.panels[0].marks
    axes = draw_picture(picture).axes[0]
    drawn = axes.collections[0].get_array()
    np.testing.assert_array_equal(drawn.filled(np.nan), np.array(cells.values))
    (crosses,) = [line for line in axes.lines if line.get_label() == "diverged"]
    assert len(crosses.get_xdata()) == sum(row.count("diverged") for row in cells.marked) == 2
    assert axes.get_xscale() == "log"


def test_a_continuous_search_is_divided_into_columns(make_sweep: MakeSweep, raw: Raw) -> None:
    lrs = tuple(0.001 * 1.3**i for i in range(20))  # all below 1: none diverges
    sweep = make_sweep(lrs=lrs, batches=(10, 40), n_seeds=1)
    picture = describe_heatmap(load_subject([sweep]))
    (cells,) = picture.panels[0].marks
    assert picture.panels[0].x.scale == LOG
    widths = np.diff(np.log(cells.x_edges))
    np.testing.assert_allclose(widths, widths[0], rtol=1e-6)
    assert 8 <= len(widths) <= 12
    for row, rows in enumerate(ROWS):
        for column, (low, high) in enumerate(zip(cells.x_edges, cells.x_edges[1:], strict=False)):
            inside = [
                run["valid_loss"] for run in raw(sweep)
                if low <= run["optimizer.lr"] < high and run["loop.batch_size"] == rows
            ]  # fmt: skip
            value = cells.values[row][column]
            assert value == statistics.median(inside) if inside else math.isnan(value)


def test_points_of_a_sampler_are_divided_into_wide_cells_too(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(n_seeds=2)  # twelve runs
    for number in range(12):
        rewrite(sweep / str(number), {"optimizer.lr": 0.01 * 1.1**number**1.2})
    picture = describe_heatmap(load_subject([sweep]))
    (cells,) = picture.panels[0].marks
    widths = np.diff(np.log(cells.x_edges) if picture.panels[0].x.scale == LOG else cells.x_edges)
    np.testing.assert_allclose(widths, widths[0], rtol=1e-6)
    assert len(widths) == 8
    assert cells.label.startswith("median validation loss")
    draw_picture(picture)


def test_a_cell_of_pruned_runs_has_a_mark_of_its_own(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(n_seeds=1)
    rewrite(sweep / "0", {"status": "pruned"})
    picture = describe_heatmap(load_subject([sweep]))
    (cells,) = picture.panels[0].marks
    assert sum(row.count("pruned") for row in cells.marked) == 1
    assert "a diamond: all in it were pruned" in picture.note
    axes = draw_picture(picture).axes[0]
    assert {"diverged", "pruned"} <= {line.get_label() for line in axes.lines}


def test_the_axes_can_be_chosen(make_sweep: MakeSweep) -> None:
    subject = load_subject([make_sweep()])
    panel = describe_heatmap(subject, "loop.batch_size", "optimizer.lr").panels[0]
    assert (panel.x.label, panel.y.label) == ("batch size [rows]", "step size [parameter units]")
    panel = describe_heatmap(subject, y="seed").panels[0]
    assert (panel.x.label, panel.y.label) == ("step size [parameter units]", "seed")


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ("nope", None, "no column 'nope'"),
        (None, "nope", "no column 'nope'"),
        ("optimizer.lr", "optimizer.lr", "both axes"),
    ],
)
def test_a_wrong_axis_is_told_in_words(
    make_sweep: MakeSweep, x: str | None, y: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        describe_heatmap(load_subject([make_sweep()]), x, y)


def test_one_key_that_varies_is_not_enough(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(batches=(10,))
    with pytest.raises(ConfigError, match=r"only optimizer\.lr varies"):
        describe_heatmap(load_subject([sweep]))


def test_a_map_of_nothing_but_diverged_runs_is_drawn(make_sweep: MakeSweep) -> None:
    picture = describe_heatmap(load_subject([make_sweep(lrs=(1.0, 2.0))]))
    (cells,) = picture.panels[0].marks
    assert cells.best is None
    assert {mark for row in cells.marked for mark in row} == {"diverged"}
    draw_picture(picture)
