"""Links from a row of a table to its run directory, in a terminal and in Markdown."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

_START, _END = "\x1b]8;;", "\x1b\\"  # OSC 8 and its end; a terminal without it shows the text alone


def find_links(
    run_dirs: Sequence[str], format: str, *, folder: Path, is_terminal: bool
) -> list[str]:
    """Give the address of each run directory, as a format can link to it.

    Args:
        run_dirs: the run directories; a trial of a study counts as its file.
        format: as for `write_table`.
        folder: where the text will lie; Markdown links relative to it.
        is_terminal: whether the text goes to one.

    Returns:
        One address each; none where the format has no links, or the terminal obeys no codes.
    """
    if format == "markdown":
        return [quote(os.path.relpath(_existing(each), folder)) for each in run_dirs]
    if format == "table" and is_terminal and os.environ.get("TERM") != "dumb":
        return [_existing(each).absolute().as_uri() for each in run_dirs]
    return []


def link_in_terminal(cell: str, address: str) -> str:
    """Make a cell of a table a link; the spaces that fill it stay outside."""
    text = cell.strip(" ")
    return cell.replace(text, f"{_START}{address}{_END}{text}{_START}{_END}") if text else cell


def link_in_markdown(cell: str, address: str) -> str:
    """Make a cell of Markdown a link."""
    text = cell.replace("[", "\\[").replace("]", "\\]")
    return f"[{text}]({address})"


def _existing(run_dir: str) -> Path:
    path = Path(run_dir)
    return next((each for each in (path, *path.parents) if each.exists()), Path())
