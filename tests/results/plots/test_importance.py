from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from scipy import stats

from ermlab.errors import ConfigError
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.importance import describe_importance, find_importance
from ermlab.results.plots.picture import Bars
from ermlab.results.plots.subject import load_subject

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]


def test_importance_is_that_of_optuna(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    space = {
        "optimizer.lr": optuna.distributions.FloatDistribution(0.01, 1.0, log=True),
        "loop.batch_size": optuna.distributions.FloatDistribution(10, 40),
    }
    runs = raw(sweep)
    # A run that diverged has the last rank, the mean of the last places.
    ranks = stats.rankdata([run["valid_loss"] or float("inf") for run in runs])
    study = optuna.create_study()
    for run, rank in zip(runs, ranks, strict=True):
        params = {key: float(run[key]) for key in space}
        trial = optuna.create_trial(params=params, distributions=space, value=float(rank))
        study.add_trial(trial)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    wanted = optuna.importance.get_param_importances(study, evaluator=evaluator)
    found = find_importance(load_subject([sweep]))
    assert found == pytest.approx(wanted, rel=1e-12)
    assert max(found, key=lambda key: found[key]) == "optimizer.lr"


def test_bars_are_the_shares_the_greatest_on_top(make_sweep: MakeSweep) -> None:
    subject = load_subject([make_sweep()])
    shares = find_importance(subject)
    picture = describe_importance(subject)
    (bars,) = picture.panels[0].marks
    assert isinstance(bars, Bars)
    assert list(bars.ends) == sorted(shares.values())
    assert sum(bars.ends) == pytest.approx(1)
    assert picture.panels[0].y.names == ("batch size", "step size")
    patches = draw_picture(picture).axes[0].patches
    assert [patch.get_width() for patch in patches] == list(bars.ends)
    assert "6 diverged, ranked last" in picture.note


def test_words_can_matter(make_sweep: MakeSweep) -> None:
    make_sweep("both/a", model="mlp", lrs=(0.1,), batches=(10,))
    sweep = make_sweep("both/b", model="linear", lrs=(0.1,), batches=(10,), valid_loss=9.0).parent
    assert find_importance(load_subject([sweep])) == {"model": pytest.approx(1.0)}


def test_no_line_of_optuna_s_log_is_printed(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    find_importance(load_subject([make_sweep()]))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lrs": (0.1,), "batches": (10,)}, "nothing varies"),
        ({"lrs": (0.1, 0.2), "batches": (10,), "n_seeds": 1}, "at least 4 runs"),
        ({"valid_loss": 0.5, "status": "completed"}, "different results"),
    ],
)
def test_too_little_to_tell_is_said_in_words(
    make_sweep: MakeSweep, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        find_importance(load_subject([make_sweep(**settings)]))
