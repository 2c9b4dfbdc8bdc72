import errno
import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ermlab import rundir
from ermlab.errors import RunDirError


def write(run_dir: Path, text: str | bytes) -> None:
    content = text.encode() if isinstance(text, str) else text
    (run_dir / rundir.SUMMARY).write_bytes(content)


def test_a_summary_is_read_back(tmp_path: Path) -> None:
    summary = {"status": "completed", "seed": 3, "lr": 0.1 + 0.2, "error": None, "format": 1}
    rundir.write_summary(tmp_path, summary)
    assert rundir.read_summary(tmp_path) == summary


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(tmp_path: Path, value: float) -> None:
    rundir.write_summary(tmp_path, {"valid_loss": value, "format": 1})
    assert json.loads((tmp_path / rundir.SUMMARY).read_text())["valid_loss"] is None


def test_a_directory_without_summary_is_unfinished(tmp_path: Path) -> None:
    assert rundir.read_summary(tmp_path) is None


def test_a_summary_is_replaced_and_leaves_nothing_else(tmp_path: Path) -> None:
    for seed in (1, 2):
        rundir.write_summary(tmp_path, {"seed": seed, "format": 1})
    assert [file.name for file in tmp_path.iterdir()] == [rundir.SUMMARY]


def test_a_process_killed_while_writing_leaves_no_torn_summary(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from ermlab import rundir\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), 9)\n"  # all but the rename
        "rundir.write_summary(Path(sys.argv[1]), {'seed': 2, 'format': 1})"
    )
    rundir.write_summary(tmp_path, {"seed": 1, "format": 1})
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert rundir.read_summary(tmp_path) == {"seed": 1, "format": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ('{"format": 1, "a": ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"format": 1, "a": ' + "9" * 10_000 + "}", "not JSON"),
        (b'{"format": 1, "a": "\xff"}', "utf-8"),
        ('{"format": 1}' + " " * rundir.LARGEST_SUMMARY_BYTES, "more than"),
        ("[1, 2]", "no integer `format`"),
        ('{"name": "package.json of another program"}', "no integer `format`"),
        ('{"format": "1"}', "no integer `format`"),
        ('{"format": 1, "a": {"b": 1}, "c": []}', "not flat: a, c"),
        ('{"format": 2}', "reads up to 1"),
    ],
    ids=str,
)
def test_a_file_that_is_no_summary_is_refused_with_the_reason(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    write(tmp_path, text)
    with pytest.raises(RunDirError, match=reason) as caught:
        rundir.read_summary(tmp_path)
    assert caught.value.where == str(tmp_path / rundir.SUMMARY)


def test_a_summary_in_an_unwritable_folder_is_an_error_in_three_parts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirError) as caught:
        rundir.write_summary(tmp_path / "file", {"format": 1})
    assert all((caught.value.what, caught.value.where, caught.value.fix))


@pytest.mark.parametrize(
    ("code", "fix"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "writable"), (errno.EROFS, "writable")],
)
def test_a_storage_error_tells_how_to_mend_it(code: int, fix: str) -> None:
    error = rundir.storage_error(OSError(code, os.strerror(code)), "run/summary.json")
    assert fix in error.fix


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_stops_the_history_with_a_clear_error(tmp_path: Path) -> None:
    full, history = Path("/dev/full"), rundir.HistoryWriter(tmp_path)
    with (
        suppress(OSError),  # again when the file is closed
        full.open("a") as history._file,
        pytest.raises(RunDirError, match="No space left"),
    ):
        history.append({"step": 0})


def test_a_link_in_the_place_of_a_history_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / rundir.HISTORY).symlink_to(tmp_path / "elsewhere")
    with rundir.HistoryWriter(tmp_path) as history:
        history.append({"step": 0})
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert rundir.count_rows(tmp_path) == 1


def test_each_history_row_is_on_disk_before_the_next(tmp_path: Path) -> None:
    with rundir.HistoryWriter(tmp_path) as history:
        history.append({"step": 0, "train_loss": math.nan})
        history.append({"step": 1, "train_loss": 0.1 + 0.2})
        text = (tmp_path / rundir.HISTORY).read_text()
    assert text == "step,train_loss\n0,nan\n1,0.30000000000000004\n"


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with rundir.replaced(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"file": "old"}


@pytest.mark.parametrize("name", [rundir.SUMMARY, rundir.HISTORY, str(rundir.CONFIG)])
def test_each_of_three_files_makes_a_run_directory(tmp_path: Path, name: str) -> None:
    assert not rundir.is_run_dir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    assert rundir.is_run_dir(tmp_path)


def test_a_configuration_is_spread_over_flat_columns() -> None:
    config = {"model": {"_target_": "x.Y", "bias": True, "widths": [1, 2], "more": {}}, "seed": 0}
    flat = {"model.bias": True, "model.widths": "[1, 2]", "seed": 0}
    assert rundir.flat_columns(config) == flat


def test_a_history_is_read_back(tmp_path: Path) -> None:
    rows = [{"step": 9, "loss": 0.1 + 0.2}, {"step": 19, "loss": math.inf}]
    with rundir.HistoryWriter(tmp_path) as writer:
        for row in rows:
            writer.append(row)
    history = rundir.read_history(tmp_path)
    assert history == {"step": [9.0, 19.0], "loss": [0.1 + 0.2, math.inf]}


@pytest.mark.parametrize(("text", "columns"), [("", {}), ("step,loss\n", {"step": [], "loss": []})])
def test_a_history_without_rows_has_no_values(
    tmp_path: Path, text: str, columns: dict[str, list[float]]
) -> None:
    (tmp_path / rundir.HISTORY).write_text(text)
    assert rundir.read_history(tmp_path) == columns


@pytest.mark.parametrize("text", ["a,b\n1\n", "a\nx\n", None])
def test_a_history_that_is_damaged_or_missing_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / rundir.HISTORY).write_text(text)
    with pytest.raises(RunDirError, match="cannot read the history"):
        rundir.read_history(tmp_path)
