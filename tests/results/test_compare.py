"""Comparisons, each number against one from the raw `summary.json` files by another path."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ermlab
from ermlab.errors import ConfigError, RunDirError
from ermlab.results.compare import compare

MakeRun = Callable[..., Path]

LRS = (0.01, 0.1)
SEEDS = range(6)

UNFINISHED = """\
model: {bias: true}
optimizer: {lr: 0.01}
data: {seed: 2}
loss: {outputs: mean}
loop: {epochs: 1}
seed: 2
objective: valid_loss
"""
ONE_SEED = "seed == 0 and optimizer.lr == 0.1"
BROKEN = "seed in [3, 4] and model == 'linear' and optimizer.lr < 0.05"
OVERRIDES = "[model=mlp, optimizer=adam, data=lab1, loss=squared_error, loop=epochs]"


@pytest.fixture
def sweep(tmp_path: Path, make_run: MakeRun) -> Path:
    """Give two models, two step sizes and six seeds; the losses of a seed go up and down together.

    The second model is clearly worse, the first with another step size hardly. One run diverged,
    one failed, one is unfinished, one was pruned.
    """
    rng = np.random.default_rng(0)
    by_seed = rng.normal(scale=0.1, size=len(SEEDS))
    number = 0
    for model, worse in (("linear", 0.0), ("mlp", 0.3)):
        for lr in LRS:
            for seed in SEEDS:
                loss = 1 + worse + 0.01 * (lr == 0.1) + by_seed[seed] + rng.normal(scale=0.02)
                columns = {"model": model, "model.bias": True, "optimizer.lr": lr, "seed": seed}
                columns |= {"data.seed": seed, "test_loss": loss + 0.05, "valid_loss": loss}
                make_run(f"s/{number}", **columns)
                number += 1
    change(tmp_path / "s/3", status="diverged")
    change(tmp_path / "s/4", status="failed", valid_loss=None, test_loss=None)
    change(tmp_path / "s/13", status="pruned")
    change(tmp_path / "s/20", status="stopped_early")
    (tmp_path / "s/14/summary.json").unlink()
    (tmp_path / "s/14/.hydra").mkdir()
    (tmp_path / "s/14/.hydra/config.yaml").write_text(UNFINISHED)
    (tmp_path / "s/14/.hydra/overrides.yaml").write_text(OVERRIDES)
    return tmp_path / "s"


def change(run_dir: Path, **columns: object) -> None:
    path = run_dir / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | columns))


def raw(sweep: Path, model: str, lr: float, column: str = "valid_loss") -> dict[int, float]:
    """Read the values of a group by seed, straight from the files."""
    found = {}
    for path in sweep.glob("*/summary.json"):
        run = json.loads(path.read_text())
        is_ended = run["status"] in ("completed", "stopped_early")
        if (run["model"], run["optimizer.lr"]) == (model, lr) and is_ended:
            found[run["seed"]] = run[column]
    return found


def test_each_mean_and_interval_is_that_of_the_raw_files(sweep: Path) -> None:
    frame = compare(sweep, by=["model", "optimizer.lr"])
    assert len(frame) == 4
    for row in frame.to_dict("records"):
        for column, prefix in (("valid_loss", ""), ("test_loss", "test_")):
            values = np.array(list(raw(sweep, row["model"], row["optimizer.lr"], column).values()))
            half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
            assert row[f"{prefix}n"] == len(values)
            assert row[f"{prefix}mean"] == pytest.approx(values.mean(), rel=1e-12)
            assert row[f"{prefix}low"] == pytest.approx(values.mean() - half, rel=1e-9)
            assert row[f"{prefix}high"] == pytest.approx(values.mean() + half, rel=1e-9)
        values = np.sort(list(raw(sweep, row["model"], row["optimizer.lr"]).values()))
        variance = ((values - values.mean()) ** 2).sum() / (len(values) - 1)
        assert row["sd"] == pytest.approx(math.sqrt(variance))
        expected = stats.bootstrap(
            (values,), np.mean, method="BCa", batch=1000, rng=np.random.default_rng(0)
        ).confidence_interval
        assert row["low_bootstrap"] == pytest.approx(expected.low, rel=1e-9)
        assert row["high_bootstrap"] == pytest.approx(expected.high, rel=1e-9)


def test_each_p_value_is_that_of_the_shared_seeds_corrected_by_holm(sweep: Path) -> None:
    frame = compare(sweep, by=["model", "optimizer.lr"])
    best = raw(sweep, frame["model"][0], frame["optimizer.lr"][0])
    p_values, differences = [], []
    for row in frame.iloc[1:].to_dict("records"):
        group = raw(sweep, row["model"], row["optimizer.lr"])
        seeds = sorted(set(best) & set(group))
        pair = [group[seed] for seed in seeds], [best[seed] for seed in seeds]
        p_values.append(stats.ttest_rel(*pair).pvalue)
        differences.append(np.mean(pair[0]) - np.mean(pair[1]))
    ranks = np.argsort(p_values)
    steps = np.array(p_values)[ranks] * [6, 5, 4]  # the pairs of four groups, fewer at each step
    holm = np.empty(len(p_values))
    holm[ranks] = np.minimum(np.maximum.accumulate(steps), 1)
    np.testing.assert_allclose(frame["p_value"][1:], holm, rtol=1e-9)
    np.testing.assert_allclose(frame["difference"][1:], differences, rtol=1e-9)
    assert frame["test"].tolist()[1:] == ["paired"] * 3
    assert frame["verdict"].tolist() == ["best", "not told apart", "worse", "worse"]


def test_the_best_mean_comes_first(sweep: Path) -> None:
    frame = compare(sweep, by=["model"])
    assert frame["mean"].is_monotonic_increasing
    assert frame["verdict"][0] == "best"


def test_an_accuracy_is_best_where_it_is_highest(sweep: Path) -> None:
    for number in range(13):
        change(sweep / str(number), valid_accuracy=number / 20)
    frame = compare(sweep, by=["optimizer.lr"], column="valid_accuracy")
    assert frame["mean"].is_monotonic_decreasing


def test_runs_without_a_result_are_counted(sweep: Path) -> None:
    frame = compare(sweep, by=["optimizer.lr"]).set_index("optimizer.lr")
    assert frame["n_left_out"].to_dict() == {0.01: 4, 0.1: 0}
    assert frame["left_out"][0.01] == "1 diverged, 1 failed, 1 pruned, 1 unfinished"
    assert (frame["n"] + frame["n_left_out"]).sum() == 24


def test_a_group_of_which_no_run_has_a_result_is_still_a_row(sweep: Path) -> None:
    for number in range(6):
        change(sweep / str(number), status="diverged")
    frame = compare(sweep, by=["model", "optimizer.lr"])
    row = frame.iloc[-1]  # after those with a mean
    assert (row["model"], row["optimizer.lr"]) == ("linear", 0.01)
    assert (row["n"], row["n_left_out"], row["left_out"]) == (0, 6, "6 diverged")
    assert math.isnan(row["mean"])


def test_groups_with_other_seeds_are_compared_by_welch(tmp_path: Path, make_run: MakeRun) -> None:
    losses = {"a": [1.0, 1.2, 1.1], "b": [2.0, 2.5, 1.9]}
    for model, values in losses.items():
        for i, loss in enumerate(values):
            seed = i if model == "a" else 10 + i
            make_run(f"{model}{i}", valid_loss=loss, seed=seed, model=model, **{"model.x": 1})
    frame = compare(tmp_path, by=["model"])
    expected = stats.ttest_ind(losses["b"], losses["a"], equal_var=False).pvalue
    assert frame["test"][1] == "Welch"
    assert frame["p_value"][1] == pytest.approx(expected, rel=1e-9)


def test_a_seed_that_ran_twice_counts_once(sweep: Path, make_run: MakeRun) -> None:
    before = compare(sweep, by=["optimizer.lr"], where="model == 'mlp'").set_index("optimizer.lr")
    again = json.loads((sweep / "18" / "summary.json").read_text())
    make_run("s/again", **(again | {"valid_loss": again["valid_loss"] + 1}))
    after = compare(sweep, by=["optimizer.lr"], where="model == 'mlp'").set_index("optimizer.lr")
    assert after["n"][0.1] == before["n"][0.1] == 6
    assert after["mean"][0.1] == pytest.approx(before["mean"][0.1] + 0.5 / 6, rel=1e-12)


def test_pairs_agree_in_all_that_varies_within_the_groups(sweep: Path) -> None:
    frame = compare(sweep, by=["model"])
    groups = [
        {(lr, seed): loss for lr in LRS for seed, loss in raw(sweep, model, lr).items()}
        for model in frame["model"]
    ]
    shared = sorted(set(groups[0]) & set(groups[1]))
    pair = [[group[key] for key in shared] for group in groups]
    expected = stats.ttest_rel(pair[1], pair[0]).pvalue
    assert frame["p_value"][1] == pytest.approx(expected, rel=1e-9)


def test_two_named_groups_are_compared(sweep: Path) -> None:
    by = ["model", "optimizer.lr"]
    names = ("mlp,0.1", "model=linear, optimizer.lr=0.1")
    (row,) = compare(sweep, by=by, pair=names).to_dict("records")
    first, second = (raw(sweep, model, 0.1) for model in ("mlp", "linear"))
    seeds = sorted(set(first) & set(second))
    differences = np.array([first[seed] - second[seed] for seed in seeds])
    found = stats.ttest_1samp(differences, 0)
    assert (row["n_first"], row["n_second"], row["n_shared"]) == (6, 6, 6)
    assert row["difference"] == pytest.approx(differences.mean(), rel=1e-12)
    assert row["p_value"] == pytest.approx(found.pvalue, rel=1e-9)
    bounds = found.confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((bounds.low, bounds.high), rel=1e-9)
    assert row["effect_size"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert (row["test"], row["effect"]) == ("paired", "Cohen's d_z")


def test_it_can_be_called_from_the_package(sweep: Path) -> None:
    pd.testing.assert_frame_equal(
        ermlab.compare([sweep], by=["model"]), compare(str(sweep), by=["model"])
    )


@pytest.mark.parametrize(
    ("options", "told", "fix"),
    [
        ({"by": ["modle"]}, "no key 'modle'", "model, optimizer.lr"),
        ({"by": ["lr"]}, "no key 'lr'", "write optimizer.lr"),
        ({"by": []}, "no key was given", "model, optimizer.lr"),
        ({"by": ["format"]}, "format is 1 in all runs", "model, optimizer.lr"),
        ({"column": "nope"}, "no column 'nope'", "test_loss, valid_loss"),
        ({"column": "status"}, "no numbers", "test_loss, valid_loss"),
        ({"where": "seed > 9"}, "no run meets", "ask for less"),
        ({"where": BROKEN, "by": ["seed"]}, "no run has", ""),
        ({"pair": ("a", "mlp")}, "no group 'a'", "linear  mlp"),
        ({"pair": ("mlp", "mlp")}, "are the same group", "two groups"),
        ({"pair": ("linear", "mlp"), "where": ONE_SEED}, "fewer than 2", "more seeds"),
    ],
)
def test_a_wrong_option_is_told_in_plain_words(
    sweep: Path, options: dict[str, object], told: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        compare(sweep, **({"by": ["model"]} | options))  # type: ignore[arg-type]
    assert told in caught.value.what
    assert fix in caught.value.fix


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="no run directory"):
        compare(tmp_path, by=["model"])
