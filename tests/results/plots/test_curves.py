import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from ermlab.errors import ConfigError
from ermlab.results.plots.curves import MOST_NAMED, N_BEST, describe_curves
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.picture import Line, Picture, Points
from ermlab.results.plots.subject import load_subject

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]


def lines_of(picture: Picture) -> dict[str, Line]:
    return {mark.name: mark for mark in picture.panels[0].marks if isinstance(mark, Line)}


def points_of(picture: Picture) -> dict[str, Points]:
    return {mark.name: mark for mark in picture.panels[0].marks if isinstance(mark, Points)}


def test_a_curve_is_the_mean_over_seeds_with_its_t_interval(
    make_sweep: MakeSweep, raw: Raw
) -> None:
    sweep = make_sweep(batches=(10,))
    line = lines_of(describe_curves(load_subject([sweep])))["lr=0.1"]
    runs = [run["history"] for run in raw(sweep) if run["optimizer.lr"] == 0.1]
    assert len(runs) == 3
    quantile = stats.t.ppf(0.975, 2)
    for place, step in enumerate(line.x):
        losses = [history[place]["valid_loss"] for history in runs]
        assert step == runs[0][place]["step"]
        assert line.y[place] == pytest.approx(statistics.mean(losses), rel=1e-14)
        half = quantile * statistics.stdev(losses) / math.sqrt(3)
        assert line.low[place] == pytest.approx(line.y[place] - half, rel=1e-12)
        assert line.high[place] == pytest.approx(line.y[place] + half, rel=1e-12)


def test_two_seeds_have_their_range_as_a_band(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep(batches=(10,), n_seeds=2)
    picture = describe_curves(load_subject([sweep]))
    line = lines_of(picture)["lr=0.01"]
    first, second = (run["history"] for run in raw(sweep) if run["optimizer.lr"] == 0.01)
    assert line.low == tuple(row["valid_loss"] for row in first)  # the lower of the two
    assert line.high == tuple(row["valid_loss"] for row in second)
    assert "range" in picture.note


def test_one_seed_has_no_band(make_sweep: MakeSweep) -> None:
    picture = describe_curves(load_subject([make_sweep(n_seeds=1)]))
    assert all(line.low == line.high == () for line in lines_of(picture).values())
    assert "band" not in picture.note


def test_matplotlib_draws_the_numbers_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep(batches=(10,), n_seeds=1)
    figure = draw_picture(describe_curves(load_subject([sweep])))
    drawn = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    for run in raw(sweep)[:2]:
        wanted = [(row["step"], row["valid_loss"]) for row in run["history"]]
        assert drawn[f"lr={run['optimizer.lr']:g}"].tolist() == [list(each) for each in wanted]


def test_each_run_that_diverged_is_marked(make_sweep: MakeSweep) -> None:
    picture = describe_curves(load_subject([make_sweep()]))
    marks = points_of(picture)["diverged"]
    assert len(marks.x) == 6
    assert sorted(text.partition(":")[0] for text in marks.texts) == [str(i) for i in range(12, 18)]
    low, high = picture.panels[0].y.limits
    assert all(low <= y <= high for y in marks.y)  # though its loss went up to 1e20


def test_a_diverging_run_does_not_flatten_the_others(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    limits = describe_curves(load_subject([sweep])).panels[0].y.limits
    good = [r["valid_loss"] for run in raw(sweep)[:12] for r in run["history"]]
    assert limits[0] < min(good) < max(good) < limits[1] < 4 * max(good)


def test_of_many_curves_the_best_are_named(make_sweep: MakeSweep, raw: Raw) -> None:
    lrs = tuple(0.01 * (i + 1) for i in range(MOST_NAMED + 2))
    sweep = make_sweep(lrs=lrs, batches=(10,), n_seeds=2)
    lines = lines_of(describe_curves(load_subject([sweep])))
    assert len(lines) == len(lrs)
    named = {name for name, line in lines.items() if line.is_main}
    means = {lr: statistics.mean(r["valid_loss"] for r in raw(sweep) if r["optimizer.lr"] == lr)
             for lr in lrs}  # fmt: skip
    assert named == {f"lr={lr:g}" for lr in sorted(lrs, key=lambda lr: means[lr])[:N_BEST]}


def test_a_pruned_run_ends_in_a_mark(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,), n_seeds=1, status="pruned")
    picture = describe_curves(load_subject([sweep]))
    marks, line = points_of(picture)["pruned"], next(iter(lines_of(picture).values()))
    assert (marks.x[0], marks.y[0]) == (line.x[-1], line.y[-1])


def test_epochs_are_the_axis_where_batch_sizes_differ(make_sweep: MakeSweep) -> None:
    assert "epoch" in describe_curves(load_subject([make_sweep()])).panels[0].x.label
    alike = make_sweep("alike", batches=(10,))
    assert "step" in describe_curves(load_subject([alike])).panels[0].x.label


def test_runs_that_were_never_finite_are_told_in_words(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(5.0,), batches=(10,), n_seeds=2)
    for history in sweep.glob("*/history.csv"):
        history.write_text("step,epoch,train_loss,valid_loss,wall_s\n0,0.5,nan,nan,0.1\n")
    with pytest.raises(ConfigError, match="no run has a finite loss"):
        describe_curves(load_subject([sweep]))


@pytest.mark.parametrize("name", ["val_loss", "my_metric"])
def test_a_history_of_other_columns_is_drawn(make_sweep: MakeSweep, name: str) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,), n_seeds=1)
    (sweep / "0" / "history.csv").write_text(f"epoch,{name}\n1,0.5\n2,0.25\n")
    (line,) = lines_of(describe_curves(load_subject([sweep]))).values()
    assert (line.x, line.y) == ((1.0, 2.0), (0.5, 0.25))


@pytest.mark.parametrize("text", ["", "a\n1\n", "step,epoch\n1,2\n"])
def test_a_history_without_a_result_is_told_in_words(make_sweep: MakeSweep, text: str) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,), n_seeds=1)
    (sweep / "0" / "history.csv").write_text(text)
    with pytest.raises(ConfigError, match="no run has a finite loss"):
        describe_curves(load_subject([sweep]))
