"""What `ermlab compare` prints: tables for people and programs, and sentences that hold."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ermlab.errors import ConfigError
from ermlab.results.compare import compare
from ermlab.results.compare_command import compare_command

MakeRun = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
MakeGroup = Callable[..., None]


@pytest.fixture
def make_group(make_run: MakeRun) -> MakeGroup:
    """Give a function that writes a run for each loss, with the seeds 0, 1, ... by default."""

    def make(model: str, losses: list[float], **columns: object) -> None:
        for seed, loss in enumerate(losses):
            run = {"model": model, "model.bias": True, "seed": seed, "valid_loss": loss}
            make_run(f"s/{model}{seed}", **(run | columns))

    return make


def told(capsys: Capture, folder: Path, **options: object) -> str:
    """Give what is printed beneath the table, as one text."""
    compare_command([folder], **({"by": ["model"]} | options))  # type: ignore[arg-type]
    return capsys.readouterr().out.split("\n\n", 1)[1]


def test_a_table_has_a_row_for_each_group_and_sentences_beneath(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1, 1.2, 1.1], test_loss=2.5)
    make_group("b", [3.0, 3.1, 3.3, 3.1])
    compare_command([tmp_path], by=["model"])
    lines = capsys.readouterr().out.split("\n")
    assert lines[0].split("  ")[0] == "model"
    assert "a      4       1.100  [0.9701, 1.230]  best" in lines[2]
    assert "b      4       3.125  [2.925, 3.325]   worse" in lines[3]
    assert lines[5] == (
        "best by mean valid_loss (lower is better): model=a, 1.100, 95 % interval [0.9701, 1.230] "
        "over 4 seeds"
    )
    assert lines[6] == (
        "worse than the best at the 5 % level (paired over shared seeds): every other group"
    )
    assert lines[7].endswith(
        "quote is its test_loss: 2.500, 95 % interval [2.500, 2.500] over 4 seeds"
    )


def test_groups_that_cannot_be_told_apart_are_named(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1, 1.2])
    make_group("b", [1.2, 1.0, 1.15])
    make_group("c", [3.0, 3.11, 3.21])
    text = told(capsys, tmp_path)
    assert (
        "corrected by Holm for the 3 pairs of 3 groups): model=b. Choose among them by cost" in text
    )
    assert "worse than the best: 1 group\n" in text
    assert "below 0" not in text


def test_a_winner_without_test_loss_is_told_how_to_get_one(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1])
    make_group("b", [2.0, 2.1], test_loss=1.0)
    assert "which its runs do not have: train it with a loop that tests" in told(capsys, tmp_path)


def test_the_test_loss_of_one_trial_is_not_told_as_that_of_its_group(
    tmp_path: Path, make_group: MakeGroup, make_run: MakeRun, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1, 1.2])
    make_group("b", [1.2, 1.0, 1.15])
    winner = {"model": "a", "model.bias": True, "seed": 3, "valid_loss": 0.9, "test_loss": 0.95}
    make_run("s/winner", **winner)
    text = told(capsys, tmp_path)
    assert "the number to quote" not in text
    assert "and only 1 of its 4 seeds have a test_loss (0.9500)" in text
    assert "train it alone with several seeds" in text
    row = compare(tmp_path, by=["model"]).iloc[0]
    assert (row["test_n"], row["test_mean"]) == (1, 0.95)
    assert pd.isna(row["test_low"])


def test_an_interval_is_that_of_a_group_only_if_all_its_runs_were_tested(
    tmp_path: Path, make_group: MakeGroup
) -> None:
    make_group("a", [1.0, 1.1], test_loss=1.0)
    make_group("b", [2.0, 2.1], test_loss=2.0)
    path = tmp_path / "s/b0/summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test_loss": None}))
    assert list(compare(tmp_path, by=["model"])["test_low"].notna()) == [True, False]


def test_an_interval_that_reaches_below_zero_is_remarked_on(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1])
    make_group("b", [0.1, 9.0])
    assert "an interval by t reaches below 0" in told(capsys, tmp_path)


def test_a_choice_by_the_test_loss_is_advised_against(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1], test_loss=1.0)
    make_group("b", [2.0, 2.1], test_loss=2.0)
    text = told(capsys, tmp_path, column="test_loss")
    assert "the best was chosen by the test loss itself, so its interval is optimistic" in text


@pytest.mark.parametrize(("best", "other"), [([1.0], [2.0, 2.1]), ([1.0, 1.1], [2.0])])
def test_one_seed_is_said_to_tell_nothing(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture, best: list[float], other: list[float]
) -> None:
    make_group("a", best)
    make_group("b", other)
    single = "a" if len(best) == 1 else "b"
    text = told(capsys, tmp_path)
    assert "with one seed, and so without interval" in text
    assert f": model={single}" in text
    assert ("no other group can be compared with it" in text) == (single == "a")


def test_what_is_left_out_is_told(tmp_path: Path, make_group: MakeGroup, capsys: Capture) -> None:
    make_group("a", [1.0, 1.1, 1.3])
    make_group("b", [2.0, 2.1])
    make_group("c", [0.5, 0.6], status="diverged")
    text = told(capsys, tmp_path)
    assert "2 runs without a result left out: model=c (2 diverged of 2)" in text
    assert list(compare(tmp_path, by=["model"])["verdict"])[-1] == "no result"
    assert text.startswith("best by mean valid_loss (lower is better): model=a")


def test_what_else_varies_is_told(tmp_path: Path, make_group: MakeGroup, capsys: Capture) -> None:
    make_group("a", [1.0, 1.1, 1.3])
    make_group("b", [2.0, 2.1])
    for i, path in enumerate(sorted(tmp_path.glob("s/*/summary.json"))):
        run = json.loads(path.read_text()) | {"optimizer.lr": 0.1 * (i // 2), "data.seed": i}
        path.write_text(json.dumps(run | {"data.seed": run["seed"]}))
    text = told(capsys, tmp_path)
    assert "within groups also vary: optimizer.lr. Their spread" in text
    assert "over 3 runs" in text


def test_a_repeated_seed_is_told(
    tmp_path: Path, make_group: MakeGroup, make_run: MakeRun, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1, 1.3])
    make_group("b", [2.0, 2.1])
    make_run("again", **{"model": "a", "model.bias": True, "seed": 0, "valid_loss": 1.0})
    assert "1 run with the seed and settings of another run" in told(capsys, tmp_path)


def test_a_key_that_is_the_same_everywhere_is_left_out(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1])
    make_group("b", [2.0, 2.1])
    assert "left out of --by: model.bias" in told(capsys, tmp_path, by=["model, model.bias"])


def test_a_pair_that_differs_says_which_is_better(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1, 1.2, 1.1])
    make_group("b", [3.0, 3.1, 3.3, 3.1])
    compare_command([tmp_path], by=["model"], pair=("b", "a"))
    table, text = capsys.readouterr().out.split("\n\n", 1)
    assert "mean of b                  3.125 (n = 4)" in table
    assert text.startswith("model=a is better than model=b by 2.025 in valid_loss (paired over 4")


def test_a_pair_that_does_not_differ_says_what_is_possible(
    tmp_path: Path, make_group: MakeGroup, capsys: Capture
) -> None:
    make_group("a", [1.0, 1.1, 1.2])
    make_group("b", [1.2, 1.0, 1.15])
    make_group("c", [5.0, 5.0])
    text = told(capsys, tmp_path, pair=("a", "b"))
    (row,) = compare(tmp_path, by=["model"], pair=("a", "b")).to_dict("records")
    assert text.startswith(
        "model=a and model=b cannot be told apart by valid_loss at the 5 % level"
    )
    assert f"within [{row['low']:.4g}, {row['high']:.4g}] is still possible" in text
    assert "p is for this one pair, chosen beforehand; of 3 groups" in text


def test_programs_get_every_number(tmp_path: Path, make_group: MakeGroup, capsys: Capture) -> None:
    make_group("a", [1.0, 1.1, 1.2])
    make_group("b", [1.2, 1.0, 1.15])
    compare_command([tmp_path], by=["model"], format="json")
    rows = json.loads(capsys.readouterr().out)
    frame = compare(tmp_path, by=["model"])
    assert list(rows[0]) == list(frame.columns)
    assert rows[1]["p_value"] == frame["p_value"][1]


def test_a_file_is_told_in_one_line(tmp_path: Path, make_group: MakeGroup, capsys: Capture) -> None:
    make_group("a", [1.0, 1.1])
    make_group("b", [1.2, 1.0])
    compare_command([tmp_path], by=["model"], output=tmp_path / "groups.parquet")
    assert capsys.readouterr().out == f"wrote 2 rows as parquet to {tmp_path / 'groups.parquet'}\n"
    expected = compare(tmp_path, by=["model"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "groups.parquet"), expected)


def test_a_wrong_format_fails_before_the_runs_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no format"):
        compare_command([tmp_path / "missing"], by=["model"], format="xlsx")


def test_it_is_a_command(tmp_path: Path, make_group: MakeGroup) -> None:
    make_group("a", [1.0, 1.1, 1.2, 1.1])
    make_group("b", [3.0, 3.1, 3.3, 3.1])
    words = ["compare", "s", "--by", "model", "--pair", "b", "a", "--format", "csv"]
    done = subprocess.run(
        [sys.executable, "-m", "ermlab", *words], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    frame = pd.read_csv(io.StringIO(done.stdout))
    assert (frame["first"][0], frame["n_shared"][0]) == ("model=b", 4)


def test_a_mistake_is_one_message(tmp_path: Path, make_group: MakeGroup) -> None:
    make_group("a", [1.0])
    done = subprocess.run(
        [sys.executable, "-m", "ermlab", "compare", "s", "--by", "model"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("ConfigError: model is a in all runs, so there is nothing to")
    assert len(done.stderr.strip().split("\n")) == 3
