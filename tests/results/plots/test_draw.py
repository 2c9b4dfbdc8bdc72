"""Every kind of picture as a reader of print sees it: nothing is cut off, small or lost."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from ermlab.results.plots.command import KINDS, describe, plot
from ermlab.results.plots.draw import FONT_PT, draw_picture, save_picture
from ermlab.results.plots.draw_text import fit_text, spread

MakeSweep = Callable[..., Path]


def draw(sweep: Path, kind: str) -> Figure:
    columns = ["n_parameters", "valid_loss"] if kind == "pareto" else []
    return plot(sweep, kind=kind, columns=columns)


def texts_of(figure: Figure) -> list[Text]:
    found = figure.findobj(lambda each: isinstance(each, Text) and bool(each.get_text().strip()))
    return [text for text in found if text.get_visible()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_text_is_whole_and_large_enough(make_sweep: MakeSweep, kind: str) -> None:
    figure = draw(make_sweep(lrs=(0.0001, 0.003, 0.1, 1.0), batches=(10, 25, 40)), kind)
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    texts = texts_of(figure)
    assert len(texts) > 4
    for text in texts:
        box = text.get_window_extent()
        said = repr(text.get_text())
        assert text.get_fontsize() >= FONT_PT, said
        assert box.x0 >= -1, f"{said} begins left of the picture"
        assert box.x1 <= width + 1, f"{said} ends right of the picture"
        assert box.y0 >= -1, f"{said} ends below the picture"
        assert box.y1 <= height + 1, f"{said} begins above the picture"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "parallel"])
def test_no_text_lies_on_another(make_sweep: MakeSweep, kind: str) -> None:
    figure = draw(make_sweep(lrs=(0.0001, 0.003, 0.1, 1.0), batches=(10, 25, 40)), kind)
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts_of(figure)]
    for place, (said, box) in enumerate(boxes):
        for other, another in boxes[place + 1 :]:
            assert not box.padded(-2).overlaps(another.padded(-2)), f"{said!r} lies on {other!r}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_width_is_that_of_a_printed_column_or_page(make_sweep: MakeSweep, kind: str) -> None:
    assert draw(make_sweep(), kind).get_figwidth() in (3.5, 7.2)


def test_an_svg_is_the_same_each_time_and_needs_nothing_else(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "kind": "heatmap",
        "x": None,
        "y": None,
        "columns": [],
        "output": None,
    }
    picture = describe([make_sweep()], **options)
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        save_picture(picture, path, format="svg")
    first, second = (path.read_text(encoding="utf-8") for path in paths)
    assert first == second
    links = re.findall(r'(?:href|src)="([^"]*)"', first)
    assert all(link.startswith(("#", "data:")) for link in links)


@pytest.mark.parametrize("name", ["$\\frac{", "_^{$%&#", "日本語", "\x1b[31m", "a" * 300, "<b>"])
def test_no_name_can_break_a_picture(make_sweep: MakeSweep, name: str) -> None:
    make_sweep("both/a", lrs=(0.1,), **{"model": name, "model.bias": True})
    sweep = make_sweep("both/b", lrs=(0.1,), **{"model": "x", "model.bias": True}).parent
    for kind in ("curves", "slice", "parallel", "heatmap"):
        draw(sweep, kind)


@given(st.lists(st.floats(-1e20, 1e20), max_size=8))
def test_labels_are_spread_within_their_axis_in_their_order(heights: list[float]) -> None:
    moved = spread(heights, gap=0.1)
    ordered = sorted(zip(heights, moved, strict=True))
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in moved)
    for (_, below), (_, above) in pairwise(ordered):
        assert above - below >= 0.1 - 1e-9


def test_a_label_with_room_stays_where_it_is() -> None:
    assert spread([0.5, 0.1, 0.9], gap=0.1) == [0.5, 0.1, 0.9]


def test_a_character_that_the_font_lacks_is_an_escape() -> None:
    assert fit_text("é β 語") == "é β \\u8a9e"


def test_draw_picture_leaves_matplotlib_s_settings_alone(make_sweep: MakeSweep) -> None:
    from matplotlib import rcParams

    before = dict(rcParams)
    options: dict[str, Any] = {
        "kind": "curves",
        "x": None,
        "y": None,
        "columns": [],
        "output": None,
    }
    draw_picture(describe([make_sweep()], **options))
    assert dict(rcParams) == before
