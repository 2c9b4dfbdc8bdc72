import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ermlab import rundir
from ermlab.errors import ConfigError, RunDirError
from ermlab.results.load import load_runs
from ermlab.results.sweep_table import end_sweep, print_best, write_results

MakeRun = Callable[..., Path]


@pytest.fixture
def sweep(tmp_path: Path, make_run: MakeRun) -> Path:
    for i, lr in enumerate([0.1, 0.01, 0.001]):
        make_run(f"sweep/{i}", losses=[1.0, 0.5 + i], seed=0, **{"optimizer.lr": lr})
    return tmp_path / "sweep"


def test_both_files_hold_one_row_per_run(sweep: Path) -> None:
    frame = write_results(sweep)
    assert pd.read_csv(sweep / rundir.RESULTS_CSV)["optimizer.lr"].tolist() == [0.1, 0.01, 0.001]
    pd.testing.assert_frame_equal(pd.read_parquet(sweep / rundir.RESULTS_PARQUET), frame)


def test_the_files_survive_a_move_of_the_sweep(sweep: Path, tmp_path: Path) -> None:
    write_results(sweep)
    shutil.move(sweep, tmp_path / "moved")
    table = pd.read_csv(tmp_path / "moved" / rundir.RESULTS_CSV)
    assert all((tmp_path / "moved" / str(name)).is_dir() for name in table["run_dir"])


def test_writing_twice_gives_the_same_files(sweep: Path) -> None:
    write_results(sweep)
    before = (sweep / rundir.RESULTS_CSV).read_bytes()
    write_results(sweep)
    assert (sweep / rundir.RESULTS_CSV).read_bytes() == before


def test_only_the_two_files_are_added(sweep: Path) -> None:
    before = {path.name for path in sweep.iterdir()}
    write_results(sweep)
    added = {path.name for path in sweep.iterdir()} - before
    assert added == {rundir.RESULTS_CSV, rundir.RESULTS_PARQUET}


def test_a_sweep_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="no run directory"):
        write_results(tmp_path)


def test_the_best_runs_are_printed_with_what_was_swept(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_best(write_results(sweep), top=2)
    assert capsys.readouterr().out == (
        "run_dir  optimizer.lr  status     valid_loss\n"
        "-------  ------------  ---------  ----------\n"
        "0                 0.1  completed      0.5000\n"
        "1                0.01  completed       1.000\n"
        "\nthe 2 best of 3 runs by valid_loss\nsame in all runs: seed=0\n"
    )


def test_runs_that_did_not_complete_are_counted(
    sweep: Path, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("sweep/3", is_finished=False)
    make_run("sweep/4", status="diverged")
    print_best(load_runs(sweep))
    counted = "status of 5 runs: 3 completed, 1 diverged, 1 unfinished"
    assert counted in capsys.readouterr().out


def test_a_status_that_is_not_known_is_counted_too(
    runs: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: list[Any] = ["completed", "odd", None, "completed", "completed"]
    print_best(runs.assign(status=statuses))
    counted = "status of 5 runs: 3 completed, 1 odd, 1 unknown"
    assert counted in capsys.readouterr().out


def test_the_objective_of_the_sweep_decides_what_is_best(
    runs: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracies = runs.assign(valid_accuracy=[0.5, 0.6, 0.9, 0.1, math.nan])
    print_best(accuracies, top=1, objective="valid_accuracy")
    out = capsys.readouterr().out
    assert "linear" in out
    assert "0.9" in out


def test_a_sweep_of_failures_is_printed_too(
    runs: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = runs[["run_dir", "model", "seed"]].assign(status="failed")
    print_best(failed)
    assert "status of 5 runs: 5 failed" in capsys.readouterr().out


def test_ending_a_sweep_writes_and_prints(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end_sweep(sweep, objective="valid_loss")
    assert (sweep / rundir.RESULTS_CSV).is_file()
    assert "the 3 best of 3 runs by valid_loss" in capsys.readouterr().out


def test_a_top_below_one_is_refused(runs: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="at least 1 run"):
        print_best(runs, top=0)


@pytest.mark.parametrize(
    ("n_runs", "told"),
    [(5, ""), (6, "; 1 more row: ermlab results {}"), (8, "; 3 more rows: ermlab results {}")],
)
def test_the_end_of_a_sweep_names_its_folder_and_how_many_more_rows_there_are(
    n_runs: int, told: str, tmp_path: Path, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(n_runs):
        make_run(f"sweep/{i}", losses=[1.0 + i], seed=i)
    end_sweep(tmp_path / "sweep")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"sweep directory: {tmp_path / 'sweep'}" + told.format(tmp_path / "sweep")
