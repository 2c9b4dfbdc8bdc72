import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from ermlab.results.plots.subject import load_subject
from ermlab.results.report.winner import find_winner

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]


def test_the_winner_has_the_best_mean_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    winner = find_winner(load_subject([sweep]))
    means = {}
    for run in raw(sweep):
        means.setdefault((run["optimizer.lr"], run["loop.batch_size"]), []).append(run)
    good = {
        key: statistics.mean(run["valid_loss"] for run in runs)
        for key, runs in means.items()
        if all(run["valid_loss"] is not None for run in runs)
    }
    best = min(good, key=lambda key: good[key])
    assert winner.name == f"lr={best[0]:g}, batch_size={best[1]}"
    assert [raw(sweep)[row]["name"] for row in winner.rows] == [r["name"] for r in means[best]]
    assert winner.n_groups == 6
    for name in ("valid_loss", "test_loss"):
        values = [run[name] for run in means[best]]
        (result,) = [each for each in winner.results if each.name == name]
        assert result.mean == pytest.approx(statistics.mean(values), rel=1e-14)
        assert result.deviation == pytest.approx(statistics.stdev(values), rel=1e-12)
        half = stats.t.ppf(0.975, 2) * statistics.stdev(values) / math.sqrt(3)
        assert result.low == pytest.approx(result.mean - half, rel=1e-12)
        assert result.high == pytest.approx(result.mean + half, rel=1e-12)


def test_a_configuration_of_which_a_seed_diverged_does_not_win(
    make_sweep: MakeSweep, raw: Raw
) -> None:
    sweep = make_sweep(batches=(10,))
    best = find_winner(load_subject([sweep]))
    name = raw(sweep)[best.rows[0]]["name"]
    summary = sweep / name / "summary.json"
    summary.write_text(summary.read_text().replace('"completed"', '"diverged"'))
    assert find_winner(load_subject([sweep])).name != best.name


def test_one_seed_has_no_interval(make_sweep: MakeSweep) -> None:
    winner = find_winner(load_subject([make_sweep(n_seeds=1)]))
    assert all(math.isnan(result.low) for result in winner.results)


def test_without_a_result_there_is_no_winner(make_sweep: MakeSweep) -> None:
    assert find_winner(load_subject([make_sweep(lrs=(1.0,))])) is None
