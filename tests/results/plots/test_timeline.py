import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ermlab.errors import ConfigError
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.picture import Bars
from ermlab.results.plots.subject import load_subject
from ermlab.results.plots.timeline import describe_timeline

MakeSweep = Callable[..., Path]


def bars_of(sweep: Path) -> tuple[Bars, str]:
    picture = describe_timeline(load_subject([sweep]))
    draw_picture(picture)
    (bars,) = [mark for mark in picture.panels[0].marks if isinstance(mark, Bars)]
    return bars, picture.panels[0].x.label


def set_ends(sweep: Path, ends: list[float]) -> None:
    for number, end in enumerate(ends):
        os.utime(sweep / str(number) / "history.csv", (end, end))


def test_a_bar_ends_when_the_history_was_last_written(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,))
    set_ends(sweep, [1000.0, 1010.0, 1005.0])
    bars, label = bars_of(sweep)
    # The last row of each history says 0.3 s; the first run on top is the last bar.
    assert bars.ends == pytest.approx((10.3, 5.3, 0.3))
    assert bars.starts == pytest.approx((10.0, 5.0, 0.0))
    assert [text.partition(":")[0] for text in bars.texts] == ["1", "2", "0"]
    assert "seconds" in label
    assert "in a stack of 4" in bars.texts[0]


def test_the_time_in_the_summary_goes_before_that_of_the_file(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,))
    for number, told in enumerate(["2026-01-01T12:00:05.000+00:00", "2026-01-01T12:00:00+00:00"]):
        path = sweep / str(number) / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"started_at": told}))
    set_ends(sweep, [1000.0, 2000.0, 1767268810.3])  # the last is 12:00:10.3
    bars, _ = bars_of(sweep)
    assert [text.partition(":")[0] for text in bars.texts] == ["2", "0", "1"]
    assert bars.starts == pytest.approx((10.0, 5.0, 0.0), abs=1e-6)


@pytest.mark.parametrize(
    ("last_s", "unit", "end"), [(600.0, "minutes", 600.3 / 60), (36000.0, "hours", 36000.3 / 3600)]
)
def test_long_sweeps_count_in_longer_units(
    make_sweep: MakeSweep, last_s: float, unit: str, end: float
) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,), n_seeds=2)
    set_ends(sweep, [1000.0, 1000.0 + last_s])
    bars, label = bars_of(sweep)
    assert unit in label
    assert max(bars.ends) == pytest.approx(end)


def test_colours_tell_what_became_of_a_run(make_sweep: MakeSweep) -> None:
    bars, _ = bars_of(make_sweep(lrs=(0.1, 1.0), batches=(10,), n_seeds=1))
    assert sorted(bars.colours) == ["blue", "vermilion"]


def test_runs_without_history_are_told_in_words(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.1,))
    for history in sweep.glob("*/history.csv"):
        history.unlink()
    with pytest.raises(ConfigError, match="nothing to put on a timeline"):
        describe_timeline(load_subject([sweep]))
