import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

import pandas as pd
import pytest

from ermlab.results.command import results_command
from ermlab.results.links import find_links
from ermlab.results.table import format_table

MakeRun = Callable[..., Path]

LINK = re.compile("\x1b\\]8;;([^\x1b]*)\x1b\\\\([^\x1b]*)\x1b\\]8;;\x1b\\\\")


@pytest.fixture
def sweep(tmp_path: Path, make_run: MakeRun) -> Path:
    for name in ("0", "10", "a b[c](d)|\x07é"):
        make_run(f"s/{name}", losses=[1.0 + len(name)], **{"optimizer.lr": float(len(name))})
    return tmp_path / "s"


def in_terminal(folder: Path, *words: str, columns: int = 80, **env: str) -> str:
    """Run a command of ermlab in a pseudo-terminal, and give what it wrote there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **env}
    command = [sys.executable, "-m", "ermlab", *words]
    child = subprocess.Popen(command, cwd=folder, stdout=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux ends a terminal that nobody writes to any more like this
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert child.wait() == 0
    return written.decode().replace("\r\n", "\n")


def test_in_a_terminal_each_row_links_to_its_directory(sweep: Path) -> None:
    text = in_terminal(sweep.parent, "results", "s")
    links = LINK.findall(text)
    targets = [Path(unquote(urlparse(address).path)) for address, _ in links]
    assert targets == [sweep / "0", sweep / "10", sweep / "a b[c](d)|\x07é"]
    assert [shown for _, shown in links] == ["0", "10", "a b[c](d)|\\x07é"]


def test_links_take_no_room(sweep: Path) -> None:
    lines = LINK.sub(r"\2", in_terminal(sweep.parent, "results", "s")).split("\n")
    assert lines == in_terminal(sweep.parent, "results", "s", TERM="dumb").split("\n")
    assert lines[0].index("status") == lines[2].index("completed")


def test_text_that_goes_to_no_terminal_has_no_links(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_command([sweep])
    assert "\x1b" not in capsys.readouterr().out


def test_markdown_links_relative_to_its_file(sweep: Path) -> None:
    output = sweep.parent / "notes" / "table.md"
    output.parent.mkdir()
    results_command([sweep], output=output)
    rows = output.read_text().split("\n")[2:5]
    assert rows[0].startswith("| [0](../s/0) |")
    (address,) = re.findall(r"\]\(([^)]*)\) \|", rows[2])
    assert (output.parent / unquote(address)).resolve() == sweep / "a b[c](d)|\x07é"
    assert rows[2].startswith("| [a b\\[c\\](d)\\|\\x07é](")


def test_a_trial_of_a_study_links_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("")
    (link,) = find_links(
        [str(tmp_path / "study.db" / "s" / "0")], "table", folder=Path(), is_terminal=True
    )
    assert link == (tmp_path / "study.db").as_uri()


def test_a_narrow_cell_that_is_clipped_still_links() -> None:
    frame = pd.DataFrame({"run_dir": ["p" * 200]})
    text = format_table(frame, "table", width=60, links=["file:///p"])
    ((address, shown),) = LINK.findall(text)
    assert (address, shown[0], len(shown)) == ("file:///p", "…", 32)
