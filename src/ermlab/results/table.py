"""Frames of runs as text and files: table, CSV, JSON, Markdown, Parquet.

No value can do harm in a terminal: what is not printable stands as its escape, such as `\\x1b`.
What is worth showing is decided in `select.py` and `fold.py`.
"""

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from rich.cells import cell_len, set_cell_size

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.results.fold import LOSSES
from ermlab.results.links import find_links, link_in_markdown, link_in_terminal

FORMATS = ("table", "csv", "json", "markdown", "parquet")

_WIDEST_CELL = 32  # own; in a terminal: four columns of the longest text in 140 characters
_GAP = "  "
_KEPT = ("run_dir", "status", *LOSSES)  # a narrow terminal shows them, but for the train loss
_MISSING = "-"


def format_table(
    frame: pd.DataFrame,
    format: str,
    *,
    width: int | None = None,
    notes: Sequence[str] = (),
    links: Sequence[str] = (),
) -> str:
    """Put a frame into text.

    Args:
        frame: one row per run.
        format: table, csv, json or markdown. The first and last show 4 significant digits and `-`
            for a missing value, the others all digits and nothing or null.
        width: width of the terminal in characters, which clips long text and leaves out columns
            that do not fit, and says which; None for a table as wide as it is. For tables only.
        notes: lines to put beneath a table; other formats do without.
        links: for each row where its run directory is, as an address that the format can link to;
            empty for no links. For tables and Markdown with a column `run_dir`.

    Raises:
        ConfigError: the format is unknown, or is no text.
    """
    check_format(format)
    if format == "csv":
        return _printable(frame).to_csv(index=False, lineterminator="\n")
    if format == "json":
        return _as_json(frame)
    if format == "markdown":
        return _as_markdown(frame, notes, links)
    if format == "table":
        return _as_table(frame, width, notes, links)
    raise ConfigError(
        "parquet is not text and cannot be printed",
        where="--format",
        fix="add --output runs.parquet",
    )


def write_table(
    frame: pd.DataFrame,
    format: str,
    *,
    output: Path | None = None,
    notes: Sequence[str] = (),
    run_dirs: Sequence[str] = (),
) -> None:
    """Print a frame, or write it to a file: whole, or not at all.

    Args:
        frame: one row per run.
        format: one of FORMATS; parquet goes to a file only.
        output: the file, replaced if it exists; None for standard output.
        notes: lines to put beneath a table.
        run_dirs: for each row its run directory, to which the cell `run_dir` then links: in a
            terminal, and in Markdown relative to the file. Empty for no links.

    Raises:
        ConfigError: the format is unknown, or does not go to standard output.
        RunDirError: the file cannot be written.
    """
    check_format(format)
    if output is None:
        is_terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if is_terminal else None
        links = find_links(run_dirs, format, folder=Path(), is_terminal=is_terminal)
        print_text(format_table(frame, format, width=width, notes=notes, links=links))
    elif format == "parquet":
        with rundir.replaced(output) as temporary:
            frame.to_parquet(temporary, index=False)
    else:
        links = find_links(run_dirs, format, folder=output.parent, is_terminal=False)
        rundir.write_whole(output, format_table(frame, format, notes=notes, links=links))


def check_format(format: str) -> None:
    """Refuse a format that is not one of FORMATS.

    Raises:
        ConfigError: it is not.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"there is no format {format!r}", where="--format", fix=f"use {', '.join(FORMATS)}"
        )


def cell_text(value: object) -> str:
    """Put one value into a cell: 4 significant digits, `-` for a missing one, no control codes."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return _MISSING
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else escape_controls(str(value))


def escape_controls(text: str) -> str:
    """Put each character that a terminal would obey, or not show, as its escape."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def print_text(text: str) -> None:
    """Print a text; characters that the terminal's encoding lacks stand as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _as_table(
    frame: pd.DataFrame, width: int | None, notes: Sequence[str], links: Sequence[str]
) -> str:
    columns = {str(name): _cells(frame[name], is_clipped=width is not None) for name in frame}
    left_out = _drop_columns(columns, width or sys.maxsize)
    if left_out:
        hint = "a wider window or --format csv shows all"
        notes = [*notes, f"no room for: {', '.join(left_out)} ({hint})"]
    padded = []
    for name, cells in columns.items():
        size = max(map(_width, cells))
        is_right = _is_number(frame[name])
        column = [
            _pad(cell, size, is_right=is_right) for cell in [cells[0], "-" * size, *cells[1:]]
        ]
        if name == "run_dir" and links:
            column[2:] = map(link_in_terminal, column[2:], links)
        padded.append(column)
    lines = [_GAP.join(row).rstrip() for row in zip(*padded, strict=True)]
    beneath = ["", *_wrap(map(escape_controls, notes), width)] if notes else []
    return "\n".join([*lines, *beneath]) + "\n"


def _wrap(notes: Iterable[str], width: int | None) -> Iterator[str]:
    for note in notes:
        # A path is not broken, so that it can be copied.
        wrap = textwrap.TextWrapper(
            width=width or sys.maxsize,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from wrap.wrap(note) or [""]


def _cells(column: "pd.Series[Any]", *, is_clipped: bool) -> list[str]:
    name = str(column.name)
    show = loss_text if name.endswith("loss") else cell_text
    cells = [escape_controls(name), *map(show, column.tolist())]
    if not is_clipped:
        return cells
    return [cells[0], *(_clip(cell, at_start=name == "run_dir") for cell in cells[1:])]


def loss_text(value: object) -> str:
    """Put a loss into a cell, with trailing zeros: 0.6880 lines up above 0.6881."""
    is_finite = isinstance(value, float) and math.isfinite(value)
    return f"{value:#.4g}".removesuffix(".") if is_finite else cell_text(value)


def _clip(cell: str, *, at_start: bool) -> str:
    if _width(cell) <= _WIDEST_CELL:
        return cell
    if at_start:  # the end of a path tells runs apart
        return "…" + cell[1 - _WIDEST_CELL :]
    return set_cell_size(cell, _WIDEST_CELL - 1) + "…"


def _drop_columns(columns: dict[str, list[str]], width: int) -> list[str]:
    sizes = {name: max(map(_width, cells)) for name, cells in columns.items()}
    left_out: set[str] = set()
    for name in _droppable(list(columns)):
        if sum(sizes.values()) + len(_GAP) * (len(sizes) - 1) <= width:
            break
        del sizes[name]
        left_out.add(name)
    return [name for name in list(columns) if name in left_out and columns.pop(name)]


def _droppable(names: list[str]) -> list[str]:
    """Order columns by what a reader misses least: outcomes, the train loss, then what was set."""
    start = names.index("status") if "status" in names else 0
    outcomes = [name for name in names[start:] if name not in _KEPT]
    settings = [name for name in names[:start] if name not in _KEPT]
    train = [name for name in names if name == "train_loss"]
    return [*reversed(outcomes), *train, *reversed(settings)]


def _width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)  # most are, and there may be 100,000


def _pad(cell: str, size: int, *, is_right: bool) -> str:
    space = " " * (size - _width(cell))
    return space + cell if is_right else cell + space


def _is_number(column: "pd.Series[Any]") -> bool:
    return is_numeric_dtype(column) and not is_bool_dtype(column)


def _as_markdown(frame: pd.DataFrame, notes: Sequence[str], links: Sequence[str]) -> str:
    columns = []
    for name in frame:
        cells = [
            cell.replace("|", "\\|").replace("<", "&lt;")
            for cell in _cells(frame[name], is_clipped=False)
        ]
        if name == "run_dir" and links:
            cells[1:] = map(link_in_markdown, cells[1:], links)
        columns.append(cells)
    rule = ["---:" if _is_number(frame[name]) else "---" for name in frame]
    rows = list(zip(*columns, strict=True))
    lines = [f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]]]
    beneath = ["", *map(escape_controls, notes)] if notes else []
    return "\n".join([*lines, *beneath]) + "\n"


def _as_json(frame: pd.DataFrame) -> str:
    columns = {str(name): [_as_number(value) for value in frame[name].tolist()] for name in frame}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"


def _as_number(value: object) -> object:
    # JSON has no NaN or infinity; as in summary.json, null means "no number".
    is_missing = value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    return None if is_missing else value


def _printable(frame: pd.DataFrame) -> pd.DataFrame:
    text = [str(name) for name in frame if not is_numeric_dtype(frame[name])]
    escaped = {name: frame[name].map(_escape_text) for name in text}
    return frame.assign(**escaped).rename(columns=lambda name: escape_controls(str(name)))


def _escape_text(value: object) -> object:
    return escape_controls(value) if isinstance(value, str) else value
