import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermlab import rundir
from ermlab.results.load import HISTORY_COLUMNS, load_history, load_runs

MakeRun = Callable[..., Path]

LARGEST = 2**63 - 1  # beyond it a whole number becomes text, see tests/results/test_tidy.py
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-LARGEST, LARGEST),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"])),
)
SUMMARIES = st.dictionaries(
    st.text("abcxyz._/ é", min_size=1).filter(lambda name: name not in ("run_dir", "format")),
    VALUES,
    max_size=8,
)


@given(summary=SUMMARIES.filter(lambda summary: summary.get("status") != "failed"))
def test_what_rundir_writes_is_read_back(summary: dict[str, rundir.Value]) -> None:
    with TemporaryDirectory() as folder:
        rundir.write_summary(Path(folder), summary | {"format": rundir.FORMAT})
        (row,) = load_runs(folder).to_dict("records")
    for name, value in summary.items():
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            assert pd.isna(row[name])
        else:
            assert (row[name], type(row[name])) == (value, type(value))


@given(losses=st.lists(st.floats(), max_size=5))
def test_a_history_is_read_back(losses: list[float]) -> None:
    with TemporaryDirectory() as folder:
        with rundir.HistoryWriter(Path(folder)) as history:
            for step, loss in enumerate(losses):
                history.append({"step": step, "train_loss": loss})
        read = load_history(folder)["train_loss"].tolist()
    assert all(a == b or (a != a and b != b) for a, b in zip(read, losses, strict=True))


def test_each_run_is_one_row_in_natural_order(tmp_path: Path, make_run: MakeRun) -> None:
    for i in (10, 9, 0):
        make_run(f"s/{i}", seed=i)
    assert load_runs(tmp_path)["seed"].tolist() == [0, 9, 10]


def test_run_dir_is_a_path_that_can_be_opened(tmp_path: Path, make_run: MakeRun) -> None:
    run_dir = make_run("s/0")
    assert load_runs(tmp_path)["run_dir"].tolist() == [str(run_dir)]


def test_a_column_that_some_runs_lack_is_missing_there(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("0", **{"model.hidden_units": 8})
    make_run("1")
    column = load_runs(tmp_path)["model.hidden_units"]
    assert (column[0], pd.isna(column[1])) == (8, True)


def test_a_run_without_summary_is_unfinished(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("0", losses=[1.0], is_finished=False)
    assert load_runs(tmp_path)["status"].tolist() == ["unfinished"]


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_run_that_did_not_end_well_has_its_configuration(
    tmp_path: Path, make_run: MakeRun, is_finished: bool
) -> None:
    run_dir = make_run("0", is_finished=is_finished, status="failed")
    (run_dir / ".hydra").mkdir()
    (run_dir / rundir.CONFIG).write_text("optimizer:\n  lr: -1.0\n")
    assert load_runs(tmp_path)["optimizer.lr"].tolist() == [-1.0]


@pytest.mark.parametrize(
    "text",
    ["", '{"format": 1, "status"', "[]", '{"format": 1, "a": {"b": 1}}', '{"format": 99}'],
    ids=["empty", "torn", "list", "nested", "newer"],
)
def test_one_torn_summary_does_not_hide_the_other_runs(
    tmp_path: Path, make_run: MakeRun, text: str
) -> None:
    make_run("0")
    (make_run("1") / rundir.SUMMARY).write_text(text)
    frame = load_runs(tmp_path)
    assert frame["status"].tolist() == ["completed", "failed"]
    assert str(frame["error"][1]).startswith("RunDirError: ")


def test_errors_are_text_also_where_there_are_none(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("0", error=None)
    assert not load_runs(tmp_path)["error"].str.contains("memory", na=False).any()


def test_values_that_no_file_can_hold_do_not_stop_the_table(
    tmp_path: Path, make_run: MakeRun
) -> None:
    hostile = {"a\ud800": "\udfff", "long": "x" * 200_000, "big": 10**400, "nul": "\0"}
    make_run("0", **hostile)
    load_runs(tmp_path).to_parquet(tmp_path / "runs.parquet")
    assert len(pd.read_parquet(tmp_path / "runs.parquet")) == 1


def test_a_number_written_as_nan_is_missing(tmp_path: Path, make_run: MakeRun) -> None:
    text = json.dumps({"format": 1, "valid_loss": math.nan})  # as json writes it, unlike rundir
    (make_run("0") / rundir.SUMMARY).write_text(text)
    assert load_runs(tmp_path)["valid_loss"].isna().all()


def test_history_rows_follow_the_order_of_runs(tmp_path: Path, make_run: MakeRun) -> None:
    for name, loss in (("10", 3.0), ("2", 2.0), ("1", 1.0)):
        make_run(name, losses=[loss, loss])
    assert load_history(tmp_path)["valid_loss"].tolist() == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


def test_histories_with_other_columns_keep_that_order(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("0", losses=[1.0])
    with rundir.HistoryWriter(make_run("1")) as history:
        history.append({"step": 0, "train_loss": 2.0})
    make_run("2", losses=[3.0])
    frame = load_history(tmp_path)
    assert [Path(run_dir).name for run_dir in frame["run_dir"]] == ["0", "1", "2"]


def test_the_torn_last_line_of_a_killed_run_is_left_out(tmp_path: Path, make_run: MakeRun) -> None:
    path = make_run("0", losses=[1.0, 2.0], is_finished=False) / rundir.HISTORY
    path.write_text(path.read_text()[:-4])
    assert load_history(tmp_path)["step"].tolist() == [0]


def test_a_damaged_line_does_not_hide_the_others(tmp_path: Path, make_run: MakeRun) -> None:
    path = make_run("0", losses=[1.0, 2.0]) / rundir.HISTORY
    path.write_text(path.read_text() + '20,"\n\n\0\0\n')
    assert load_history(tmp_path)["step"].tolist() == [0, 10]


def test_runs_without_history_give_a_frame_without_rows(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("0")
    frame = load_history(tmp_path)
    assert (len(frame), list(frame.columns)) == (0, ["run_dir", *HISTORY_COLUMNS])


def test_results_need_no_torch() -> None:
    modules = ("load", "command", "plot", "sweep_table")
    imports = "; ".join(f"import ermlab.results.{name}" for name in modules)
    code = f"import sys; {imports}; print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
