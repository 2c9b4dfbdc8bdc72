import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ermlab.errors import ConfigError, RunDirError
from ermlab.results.command import results_command

MakeRun = Callable[..., Path]


@pytest.fixture
def sweep(tmp_path: Path, make_run: MakeRun) -> Path:
    for i, lr in enumerate([0.1, 0.01, 0.001]):
        run = {"seed": 0, "version_torch": str(i), "optimizer.lr": lr}
        make_run(f"sweep/{i}", losses=[1.0 + i], **run)
    return tmp_path / "sweep"


def test_a_table_shows_what_differs_and_names_the_rest(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_command([sweep])
    assert capsys.readouterr().out.split("\n") == [
        "run_dir  optimizer.lr  status     valid_loss",
        "-------  ------------  ---------  ----------",
        "0                 0.1  completed       1.000",
        "1                0.01  completed       2.000",
        "2               0.001  completed       3.000",
        "",
        f"run_dir is below: {sweep}",
        "same in all runs: seed=0",
        "",
    ]


def test_one_row_still_shows_what_was_swept(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_command([sweep], top=1)
    assert capsys.readouterr().out.split("\n")[0].split()[:2] == ["run_dir", "optimizer.lr"]


def test_columns_may_be_joined_by_commas(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_command([sweep], columns=["seed, optimizer.lr", "status"], format="csv", top=1)
    assert capsys.readouterr().out == "seed,optimizer.lr,status\n0,0.1,completed\n"


def test_other_formats_give_every_column(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_command([sweep], where="optimizer.lr < 0.005", format="json")
    (row,) = json.loads(capsys.readouterr().out)
    assert row["version_torch"] == "2"


def test_the_suffix_of_the_output_tells_the_format(sweep: Path, tmp_path: Path) -> None:
    results_command([sweep], output=tmp_path / "runs.parquet")
    assert len(pd.read_parquet(tmp_path / "runs.parquet")) == 3


def test_a_named_format_goes_before_the_suffix(sweep: Path, tmp_path: Path) -> None:
    results_command([sweep], format="json", output=tmp_path / "runs.csv")
    assert len(json.loads((tmp_path / "runs.csv").read_text())) == 3


def test_no_run_that_matches_is_no_error(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_command([sweep], where="seed > 5")
    assert "no run meets the condition" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["xlsx", "parquet"])
def test_a_wrong_format_fails_before_the_runs_are_read(tmp_path: Path, format: str) -> None:
    with pytest.raises(ConfigError):
        results_command([tmp_path / "missing"], format=format)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="No such file"):
        results_command([tmp_path / "missing"])


@pytest.mark.parametrize(
    ("name", "format", "top", "rows"),
    [("r.csv", "csv", None, "3 rows"), ("r.txt", "table", 1, "1 row"),
     ("r.parquet", "parquet", 2, "2 rows")],
)  # fmt: skip
def test_a_written_file_is_told_in_one_line(
    name: str, format: str, top: int, rows: str, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = sweep / name
    results_command([sweep], output=output, top=top)
    assert capsys.readouterr().out == f"wrote {rows} as {format} to {output}\n"
    assert output.is_file()
