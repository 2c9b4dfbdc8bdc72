"""What `ermlab plot DIR...` and `ermlab.plot` do: load runs, describe a picture, draw it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ermlab import rundir
from ermlab.errors import ConfigError, RunDirError
from ermlab.results.plots.curves import describe_curves
from ermlab.results.plots.draw import draw_picture, save_picture
from ermlab.results.plots.draw_html import write_page
from ermlab.results.plots.heatmap import describe_heatmap
from ermlab.results.plots.importance import describe_importance
from ermlab.results.plots.parallel import describe_parallel
from ermlab.results.plots.pareto import describe_pareto
from ermlab.results.plots.picture import Picture
from ermlab.results.plots.slices import describe_slices
from ermlab.results.plots.subject import Subject, load_subject
from ermlab.results.plots.timeline import describe_timeline
from ermlab.results.table import escape_controls, print_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT = "curves"
FORMATS = ("png", "svg", "html")
_PLAIN: dict[str, Callable[[Subject], Picture]] = {
    "curves": describe_curves,
    "slice": describe_slices,
    "parallel": describe_parallel,
    "importance": describe_importance,
    "timeline": describe_timeline,
}
KINDS = (*_PLAIN, "heatmap", "pareto")


def plot(
    dirs: Path | str | Sequence[Path | str],
    *,
    kind: str = DEFAULT,
    x: str | None = None,
    y: str | None = None,
    columns: Sequence[str] = (),
    output: Path | str | None = None,
) -> "Figure":
    """Draw runs, as `ermlab plot` does, and return the picture.

    Args:
        dirs: run directories, sweep directories, or folders above them.
        kind: one of KINDS.
        x: of a heat map: the key along the horizontal axis; None chooses.
        y: of a heat map: the key along the vertical axis; None chooses.
        columns: of a Pareto front: the two columns.
        output: a file to write as well, whose suffix is one of FORMATS.

    Returns:
        A figure of matplotlib, which a notebook shows.

    Raises:
        ConfigError: an option is wrong, or the runs do not have what the kind shows.
        RunDirError: a folder has no run, or the file cannot be written.
    """
    several = [dirs] if isinstance(dirs, Path | str) else list(dirs)
    picture = describe(several, kind=kind, x=x, y=y, columns=columns, output=output)
    if output is not None:
        write_picture(picture, Path(output))
    return draw_picture(picture)


def plot_command(
    dirs: Sequence[Path],
    *,
    kind: str,
    x: str | None,
    y: str | None,
    columns: str | None,
    output: Path | None,
) -> None:
    """Draw runs into a file and say where it is.

    Args:
        dirs: run directories, sweep directories, or folders above them.
        kind: one of KINDS.
        x: as for `plot`.
        y: as for `plot`.
        columns: as for `plot`, two names joined by a comma.
        output: the file; None for `KIND.png` in the first folder.

    Raises:
        ConfigError: an option is wrong, or the runs do not have what the kind shows.
        RunDirError: a folder has no run, or the file cannot be written.
    """
    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    picture = describe(dirs, kind=kind, x=x, y=y, columns=names, output=output)
    path = output or dirs[0] / f"{kind}.png"
    write_picture(picture, path)
    print_text(f"wrote {kind} to {escape_controls(str(path))}\n")


def describe(
    dirs: Sequence[Path | str],
    *,
    kind: str,
    x: str | None,
    y: str | None,
    columns: Sequence[str],
    output: Path | str | None,
) -> Picture:
    """Describe the picture that the options ask for; the options are checked before any loading."""
    if kind not in KINDS:
        raise ConfigError(
            f"there is no kind {kind!r}", where="--kind", fix=f"use {', '.join(KINDS)}"
        )
    if kind != "heatmap" and (x or y):
        raise ConfigError(
            f"a plot of kind {kind} chooses its axes by itself", where="--x or --y",
            fix="leave the option out, or add --kind heatmap",
        )  # fmt: skip
    if kind != "pareto" and columns:
        raise ConfigError(
            f"a plot of kind {kind} takes no columns", where="--columns",
            fix="leave the option out, or add --kind pareto",
        )  # fmt: skip
    if output is not None:
        choose_format(Path(output))
    subject = load_subject(dirs)
    if kind == "heatmap":
        return describe_heatmap(subject, x, y)
    if kind == "pareto":
        return describe_pareto(subject, list(columns))
    return _PLAIN[kind](subject)


def write_picture(picture: Picture, path: Path) -> None:
    """Write a picture into a file: whole, or not at all.

    Raises:
        ConfigError: the suffix is not one of FORMATS, or plotly is not installed.
        RunDirError: the file cannot be written.
    """
    format = choose_format(path)
    if not path.parent.is_dir():
        raise RunDirError(
            "the folder to write into does not exist",
            where=str(path),
            fix=f"make the folder {path.parent}, or name another with --output",
        )
    if format == "html":
        write_page(picture, path)
        return
    with rundir.replaced(path) as temporary:
        save_picture(picture, temporary, format=format)


def choose_format(path: Path) -> str:
    """Take the format from a file's suffix.

    Raises:
        ConfigError: it is not one of FORMATS.
    """
    format = path.suffix.lower().removeprefix(".")
    if format not in FORMATS:
        raise ConfigError(
            f"a picture cannot be written as {path.suffix or 'a file without suffix'}",
            where=f"--output {path}",
            fix="end the name in .png, .svg or .html",
        )
    return format
