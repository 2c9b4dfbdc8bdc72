"""What `ermlab report DIR...` and `ermlab.report` do: gather what is known, write the page."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ermlab import rundir
from ermlab.errors import ConfigError, RunDirError
from ermlab.results.plots.curves import describe_curves
from ermlab.results.plots.heatmap import choose_pair, describe_heatmap
from ermlab.results.plots.importance import describe_importance
from ermlab.results.plots.picture import Picture
from ermlab.results.plots.slices import describe_slices
from ermlab.results.plots.subject import Subject, load_subject
from ermlab.results.plots.timeline import describe_timeline
from ermlab.results.report.facts import list_asked, list_costs, list_statuses, list_versions
from ermlab.results.report.page import make_page
from ermlab.results.report.payload import make_payload
from ermlab.results.report.run_rows import make_run_table
from ermlab.results.report.stages import Stages
from ermlab.results.report.winner import describe_result, find_winner
from ermlab.results.table import escape_controls, print_text

NAME = "report.html"
MOST_IN_TITLE = 3  # own; folders that a title names
SUFFIXES = (".html", ".htm")


def report(dirs: Path | str | Sequence[Path | str], *, output: Path | str | None = None) -> Path:
    """Write one HTML file about runs, which needs no network.

    Args:
        dirs: run directories, sweep directories, or folders above them.
        output: the file, replaced if it exists; None for `report.html` in the first folder.

    Returns:
        Path of the file.

    Raises:
        ConfigError: the name does not end in .html.
        RunDirError: a folder does not exist or has no run, or the file cannot be written.
    """
    several = [dirs] if isinstance(dirs, Path | str) else list(dirs)
    path = Path(output) if output is not None else Path(several[0]) / NAME
    _check_output(path, is_given=output is not None)
    subject = load_subject(several)
    rundir.write_whole(path, make_page(**gather(subject, several, folder=path.parent)))
    return path


def report_command(dirs: Sequence[Path], *, output: Path | None) -> None:
    """Write one HTML file about runs and say where it is (see `report`)."""
    path = report(dirs, output=output)
    print_text(f"wrote the report to {escape_controls(str(path))}\n")


def gather(subject: Subject, dirs: Sequence[Path | str], *, folder: Path) -> dict[str, Any]:
    """Gather what the page shows, as the template names it.

    Args:
        subject: the runs.
        dirs: as they were given, for the title.
        folder: where the page will be.
    """
    runs = subject.runs
    winner = find_winner(subject)
    named = [str(each) if Path(each).name else Path(each).absolute().name for each in dirs]
    named = named[:MOST_IN_TITLE]
    named += [f"{len(dirs) - MOST_IN_TITLE} more"] if len(dirs) > MOST_IN_TITLE else []
    pictures, drawn = _pictures(subject), {}
    with Stages(len(pictures) + 1, n_runs=len(runs)) as stages:
        for name, describe in pictures.items():
            stages.begin(f"{name} of {len(runs)} runs")
            drawn[name] = _try(describe, subject)
        stages.begin("table")
        table = make_run_table(runs, winner.rows if winner else [], folder=folder)
    return {
        "title": escape_controls(", ".join(named)),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "n_runs": len(runs),
        "objective": escape_controls(subject.objective),
        "best_word": "lowest" if subject.is_loss else "highest",
        "statuses": list_statuses(runs),
        "asked": list_asked(subject),
        "winner": winner,
        "results": [describe_result(each) for each in winner.results] if winner else [],
        "table": table,
        "costs": list_costs(subject),
        "versions": list_versions(runs),
        "pictures": {
            name: make_payload(each) for name, each in drawn.items() if isinstance(each, Picture)
        },
        "reasons": {name: each for name, each in drawn.items() if isinstance(each, str)},
    }


def _pictures(subject: Subject) -> dict[str, Callable[[Subject], Picture]]:
    pictures: dict[str, Callable[[Subject], Picture]] = {
        "curves": describe_curves,
        "importance": describe_importance,
    }
    if choose_pair(subject):
        pictures["heatmap"] = describe_heatmap
    return pictures | {"slice": describe_slices, "timeline": describe_timeline}


def _try(describe: Callable[[Subject], Picture], subject: Subject) -> Picture | str:
    # What a folder of runs cannot show is said in its place; the rest of the page stands.
    try:
        return describe(subject)
    except ConfigError as error:
        return escape_controls(error.what)


def _check_output(path: Path, *, is_given: bool) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"a report is an HTML page, and {path.name!r} does not end in .html",
            where="--output",
            fix=f"name it {path.with_suffix('.html').name}",
        )
    if is_given and not path.parent.is_dir():
        raise RunDirError(
            "the folder to write into does not exist",
            where=str(path),
            fix=f"make the folder {path.parent}, or name another with --output",
        )
