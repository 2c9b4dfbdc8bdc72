"""Pictures of one run, drawn from its files: the learning curve.

Matplotlib is imported when a picture is drawn, since that takes longer than reading a thousand
runs. Pictures that compare runs do not belong here.
"""

from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.results.load import load_history
from ermlab.results.table import escape_controls

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008), "Color Universal Design": blue, vermilion and black stay apart for every
# kind of colour vision; line styles keep them apart in grey print.
STYLES: dict[str, dict[str, Any]] = {
    "train_loss": {"color": "#0072B2", "linestyle": "--", "label": "train"},
    "valid_loss": {"color": "#D55E00", "linestyle": "-", "label": "valid"},
}
BLACK = "#000000"
LOG_SPAN = 20  # own; from this ratio of largest to smallest loss on, a linear axis hides the end
LARGEST_DRAWN = 1e30  # own; a greater loss has diverged, and axes near 1e308 overflow

_FEW_ROWS = 15  # own; so few points are shown as points, of which one alone is no line
_NO_SUMMARY: dict[str, rundir.Value] = {}


def plot_learning_curve(run_dir: Path) -> Path:
    """Draw train and validation loss against the step, as `learning_curve.png` of the run.

    The lowest validation loss is marked, and the test loss, if there is one, is told. Losses that
    are not finite are left out, so a diverged run shows its curve up to there. The loss axis is
    logarithmic if the losses are positive and span more than a factor of LOG_SPAN.

    Args:
        run_dir: a run directory with `history.csv`; one without rows gives a picture that says so.

    Returns:
        Path of the picture, which replaces an older one.

    Raises:
        RunDirError: there is no history, the summary cannot be read, or the picture not written.
    """
    with chdir(Path(__file__).parent):  # it reads a matplotlibrc that lies in the working directory
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    if not (run_dir / rundir.HISTORY).is_file():
        raise RunDirError(
            f"there is no {rundir.HISTORY} to draw a learning curve from",
            where=str(run_dir),
            fix="name the directory of a run that got as far as its first validation",
        )
    summary = rundir.read_summary(run_dir) or _NO_SUMMARY
    history = load_history(run_dir)
    history = history[history["run_dir"] == str(run_dir)]  # not those of folders below
    figure = Figure(figsize=(6.4, 4.0), dpi=160, layout="constrained")  # 1024 by 640 pixels
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_losses(axes, history)
    _label(axes, summary)
    with rundir.replaced(run_dir / rundir.CURVE) as temporary:
        figure.savefig(temporary, format="png")
    return run_dir / rundir.CURVE


def _draw_losses(axes: "Axes", history: pd.DataFrame) -> None:
    curves = {name: _drawable(history, name) for name in STYLES if name in history}
    curves = {name: losses for name, losses in curves.items() if losses.size}
    if not curves:
        axes.text(0.5, 0.5, "no finite loss was recorded", transform=axes.transAxes, ha="center")
        axes.set(xticks=[], yticks=[])
        return
    marker = "o" if len(history) <= _FEW_ROWS else ""
    for name, losses in curves.items():
        axes.plot(losses.index, losses, linewidth=1.8, marker=marker, markersize=4, **STYLES[name])
    if "valid_loss" in curves:
        _mark_best(axes, curves["valid_loss"])
    if _spans_widely(pd.concat(list(curves.values()))):
        axes.set_yscale("log")
    axes.locator_params(axis="x", integer=True)  # there is no half a step
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none")


def _drawable(history: pd.DataFrame, name: str) -> "pd.Series[float]":
    losses = pd.Series(history[name].to_numpy(dtype=float), index=history["step"].to_numpy())
    return losses[np.isfinite(losses) & (losses.abs() < LARGEST_DRAWN)]


def _mark_best(axes: "Axes", losses: "pd.Series[float]") -> None:
    place = int(losses.to_numpy().argmin())
    step, loss = losses.index[place], losses.iloc[place]
    axes.plot(
        [step], [loss], linestyle="", marker="o", markersize=9, fillstyle="none",
        markeredgewidth=1.8, color=BLACK, label=f"best: {loss:.4g} at step {step:g}",
    )  # fmt: skip


def _spans_widely(losses: "pd.Series[float]") -> bool:
    return bool(losses.min() > 0 and losses.max() / losses.min() > LOG_SPAN)


def _label(axes: "Axes", summary: dict[str, rundir.Value]) -> None:
    loss = summary.get("loss")
    axes.set_xlabel("step [updates, from 0]")  # as best_step and history.csv count
    axes.set_ylabel(_plain(f"loss [{loss}]" if loss else "loss"), parse_math=False)
    told = [str(summary[key]) for key in ("model", "data", "status") if summary.get(key)]
    axes.set_title(_plain(", ".join(told)), loc="left", fontsize=10, parse_math=False)
    test_loss = summary.get("test_loss")
    if isinstance(test_loss, float):
        axes.set_title(f"test loss {test_loss:.4g}", loc="right", fontsize=10)
    axes.grid(visible=True, which="major", color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _plain(text: str) -> str:
    # The font has no glyph for everything a user may type, and a picture has little room.
    return escape_controls(text).encode("ascii", "backslashreplace").decode()[:60]
