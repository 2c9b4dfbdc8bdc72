import math
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.results.plot import LOG_SPAN, STYLES, plot_learning_curve
from ermlab.results.run_table import print_run

MakeRun = Callable[..., Path]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Collect the figures that are saved, so that a test can ask what they show."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def legend_of(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def test_the_picture_is_a_png_in_the_run_directory(make_run: MakeRun) -> None:
    run_dir = make_run("0", losses=[3.0, 2.0])
    path = plot_learning_curve(run_dir)
    assert path == run_dir / rundir.CURVE
    signature, width, height = struct.unpack(">8s8x2I", path.read_bytes()[:24])
    assert (signature, width, height) == (b"\x89PNG\r\n\x1a\n", 1024, 640)


def test_the_lowest_validation_loss_is_marked(make_run: MakeRun, drawn: list[Figure]) -> None:
    plot_learning_curve(make_run("0", losses=[3.0, 2.0, 2.5]))
    assert legend_of(drawn[0]) == ["train", "valid", "best: 2 at step 10"]


def test_the_axis_and_the_best_step_of_the_summary_count_alike(
    make_run: MakeRun, drawn: list[Figure], capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = make_run("0", losses=[3.0, 2.0, 2.5], best_step=10)
    plot_learning_curve(run_dir)
    print_run(run_dir)
    assert drawn[0].axes[0].get_xlabel() == "step [updates, from 0]"
    assert legend_of(drawn[0])[-1] == "best: 2 at step 10"
    assert re.search(r"best step \(from 0\) +10 *\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([1.0, 1.0 / LOG_SPAN], "log"),
        ([1.0, 4.0 / LOG_SPAN], "linear"),
        ([1000.0, -1.0], "linear"),
        ([1.0, 0.0], "linear"),
    ],
)
def test_the_axis_is_logarithmic_for_a_wide_span_of_positive_losses(
    make_run: MakeRun, drawn: list[Figure], losses: list[float], scale: str
) -> None:
    plot_learning_curve(make_run("0", losses=losses))
    assert drawn[0].axes[0].get_yscale() == scale


@pytest.mark.parametrize(
    "losses",
    [
        [1.0],
        [1.0, math.nan],
        [math.nan, math.inf, 1.0],
        [1.0, 1e308, -1e308, math.inf],
        [0.0, 0.0],
        [5e-324, 1.0],
    ],
    ids=["one row", "diverged", "late", "overflow", "zero", "subnormal"],
)
def test_a_run_of_odd_losses_still_gives_a_picture(make_run: MakeRun, losses: list[float]) -> None:
    assert plot_learning_curve(make_run("0", losses=losses)).is_file()


@pytest.mark.parametrize("losses", [[], [math.nan]])
def test_a_run_without_finite_loss_gives_a_picture_that_says_so(
    make_run: MakeRun, drawn: list[Figure], losses: list[float]
) -> None:
    plot_learning_curve(make_run("0", losses=losses))
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["no finite loss was recorded"]


@pytest.mark.parametrize("extra", [{}, {"valid_loss": math.nan}], ids=["no column", "nan"])
def test_the_simple_loop_shows_its_train_loss_alone(
    make_run: MakeRun, drawn: list[Figure], extra: dict[str, float]
) -> None:
    run_dir = make_run("0")
    with rundir.HistoryWriter(run_dir) as history:
        history.append({"step": 0, "train_loss": 1.0} | extra)
    plot_learning_curve(run_dir)
    assert legend_of(drawn[0]) == ["train"]


def test_the_test_loss_is_told(make_run: MakeRun, drawn: list[Figure]) -> None:
    plot_learning_curve(make_run("0", losses=[1.0], test_loss=0.87654))
    assert drawn[0].axes[0].get_title(loc="right") == "test loss 0.8765"


def test_an_unfinished_run_has_a_picture(make_run: MakeRun) -> None:
    assert plot_learning_curve(make_run("0", losses=[1.0], is_finished=False)).is_file()


def test_no_name_can_break_the_picture(make_run: MakeRun) -> None:
    names = {"model": "$\\frac{", "data": "\x1b日本", "loss": "_^{$" * 100}
    assert plot_learning_curve(make_run("$\\frac{", losses=[1.0], **names)).is_file()


def test_runs_below_a_run_are_not_drawn_with_it(make_run: MakeRun, drawn: list[Figure]) -> None:
    run_dir = make_run("run", losses=[1.0])
    make_run("run/0", losses=[0.5, 0.25])
    plot_learning_curve(run_dir)
    assert legend_of(drawn[0])[-1] == "best: 1 at step 0"


def test_the_two_curves_differ_without_colour() -> None:
    assert STYLES["train_loss"]["linestyle"] != STYLES["valid_loss"]["linestyle"]


def test_a_run_without_history_is_an_error(make_run: MakeRun) -> None:
    run_dir = make_run("0")
    (run_dir / rundir.HISTORY).unlink()
    with pytest.raises(RunDirError, match=r"no history\.csv"):
        plot_learning_curve(run_dir)
