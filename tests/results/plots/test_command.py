import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ermlab
from ermlab.errors import ConfigError, RunDirError
from ermlab.results.plots.command import KINDS, plot_command

MakeSweep = Callable[..., Path]
NO_OPTIONS: dict[str, Any] = {
    "kind": "curves",
    "x": None,
    "y": None,
    "columns": None,
    "output": None,
}


def test_the_picture_lies_in_the_sweep_and_its_path_is_printed(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep()
    plot_command([sweep], **NO_OPTIONS)
    assert (sweep / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert capsys.readouterr().out == f"wrote curves to {sweep / 'curves.png'}\n"
    plot_command([sweep], **NO_OPTIONS)  # the picture of before is no run, and is replaced


STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE"}


@pytest.mark.parametrize(
    ("kind", "suffix"), [*((kind, "png") for kind in KINDS), ("slice", "svg"), ("slice", "html")]
)
def test_each_kind_is_written_in_each_format(
    make_sweep: MakeSweep, tmp_path: Path, kind: str, suffix: str
) -> None:
    columns = "n_parameters, valid_loss" if kind == "pareto" else None
    output = tmp_path / f"picture.{suffix}"
    plot_command(
        [make_sweep()], **NO_OPTIONS | {"kind": kind, "columns": columns, "output": output}
    )
    assert output.read_bytes().startswith(STARTS[suffix])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "pie"}, "no kind 'pie'"),
        ({"x": "seed"}, "chooses its axes by itself"),
        ({"kind": "slice", "columns": "a,b"}, "takes no columns"),
        ({"output": Path("a.pdf")}, "cannot be written as .pdf"),
        ({"output": Path("a")}, "a file without suffix"),
        ({"kind": "pareto"}, "needs two objectives"),
    ],
)
def test_a_wrong_option_is_told_in_words(
    make_sweep: MakeSweep, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        plot_command([make_sweep()], **NO_OPTIONS | options)


def test_a_folder_that_does_not_exist_is_told(make_sweep: MakeSweep, tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="cannot list"):
        plot_command([tmp_path / "none"], **NO_OPTIONS)
    with pytest.raises(RunDirError, match="does not exist"):
        plot_command([make_sweep()], **NO_OPTIONS | {"output": tmp_path / "none" / "a.png"})


def test_plot_gives_a_figure_and_writes_it_if_asked(make_sweep: MakeSweep, tmp_path: Path) -> None:
    figure = ermlab.plot(make_sweep(), kind="slice", output=tmp_path / "a.svg")
    assert len(figure.axes) == 2
    assert (tmp_path / "a.svg").is_file()
    assert ermlab.plot([tmp_path / "sweep"]).axes


def test_the_command_draws(make_sweep: MakeSweep, ermlab_cli: Callable[..., Any]) -> None:
    sweep = make_sweep()
    done = ermlab_cli("plot", str(sweep), "--kind", "heatmap", "--y", "seed")
    assert (done.returncode, done.stderr) == (0, "")
    assert (sweep / "heatmap.png").is_file()
    done = ermlab_cli("plot", str(sweep), "--kind", "heatmap", "--x", "nope")
    assert done.returncode == 1
    assert "no column 'nope'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_imports_nothing_that_it_does_not_need(make_sweep: MakeSweep) -> None:
    code = f"""
import sys, json
from pathlib import Path
from ermlab.results.plots.command import plot_command
plot_command([Path({str(make_sweep())!r})], **json.loads({json.dumps(NO_OPTIONS)!r}))
print(*[name for name in ("torch", "plotly", "optuna", "hydra") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_an_html_picture_without_plotly_is_told(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.subplots", None)
    with pytest.raises(ConfigError, match="needs plotly"):
        plot_command([make_sweep()], **NO_OPTIONS | {"output": Path("a.html")})
