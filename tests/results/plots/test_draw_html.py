from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import read_page, wait_until_drawn

from ermlab.results.plots.command import KINDS, describe
from ermlab.results.plots.draw_html import draw_figure, write_page
from ermlab.results.plots.picture import Bars, Cells, Line, Picture, Points

MakeSweep = Callable[..., Path]
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u2028'\"</script>"


def describe_kind(sweep: Path, kind: str) -> Picture:
    columns = ["n_parameters", "valid_loss"] if kind == "pareto" else []
    return describe([sweep], kind=kind, x=None, y=None, columns=columns, output=None)


def test_plotly_draws_the_numbers_of_the_description(make_sweep: MakeSweep) -> None:
    for kind in ("curves", "slice", "importance", "timeline"):
        picture = describe_kind(make_sweep(kind), kind)
        traces = {(trace.type, trace.name): trace for trace in draw_figure(picture).data}
        for mark in picture.panels[-1].marks:
            if isinstance(mark, Line):
                trace = traces["scatter", mark.name]
                assert (tuple(trace.x), tuple(trace.y)) == (mark.x, mark.y)
            if isinstance(mark, Points) and mark.x:
                trace = traces["scatter", mark.name]
                assert (tuple(trace.x), tuple(trace.y)) == (mark.x, mark.y)
            if isinstance(mark, Bars):
                trace = traces["bar", None]
                np.testing.assert_allclose(np.add(trace.base, trace.x), mark.ends, rtol=1e-12)


def test_plotly_draws_the_cells(make_sweep: MakeSweep) -> None:
    picture = describe_kind(make_sweep(), "heatmap")
    (cells,) = picture.panels[0].marks
    assert isinstance(cells, Cells)
    heat = draw_figure(picture).data[0]
    np.testing.assert_array_equal(heat.z, np.array(cells.values))
    assert tuple(heat.x) == cells.x_edges


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_the_network_for_nothing_and_nothing_is_amiss(
    make_sweep: MakeSweep, tmp_path: Path, browser: Any, kind: str
) -> None:
    write_page(describe_kind(make_sweep(), kind), tmp_path / "picture.html")
    browser.get((tmp_path / "picture.html").as_uri())
    wait_until_drawn(browser)
    drawn = browser.execute_script("return document.querySelectorAll('.main-svg').length")
    assert drawn > 0
    page = read_page(browser)
    assert page.requests == []
    # Software WebGL says that it is slow, which is no fault of the page.
    assert [line for line in page.console if "GL Driver Message" not in line] == []


@pytest.mark.parametrize("kind", ["curves", "slice", "parallel", "heatmap"])
def test_hostile_text_does_nothing_in_a_page(
    make_sweep: MakeSweep, tmp_path: Path, browser: Any, kind: str
) -> None:
    make_sweep("both/a", lrs=(0.1,), **{"model": HOSTILE, "model.<b>x</b>": HOSTILE})
    sweep = make_sweep("both/b", lrs=(0.1,), **{"model": "x", "model.<b>x</b>": "y"}).parent
    write_page(describe_kind(sweep, kind), tmp_path / "picture.html")
    browser.get((tmp_path / "picture.html").as_uri())
    wait_until_drawn(browser)
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.querySelectorAll('.main-svg').length") > 0
    page = read_page(browser)
    assert page.requests == []
    assert [line for line in page.console if "GL Driver Message" not in line] == []
