"""The plot `importance`: how much of the result's variation each key explains."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ermlab.errors import ConfigError
from ermlab.results.plots.labels import describe_axis, is_number, list_names, place_values
from ermlab.results.plots.picture import LOG, Axis, Bars, Panel, Picture
from ermlab.results.plots.study import make_study
from ermlab.results.plots.subject import Subject

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MAX_DEPTH = 8  # own; of the trees: for 1,000 runs ten times faster than Optuna's 64, shares alike
FEWEST_RUNS = 4  # own; a forest of fewer has nothing to split


def describe_importance(subject: Subject) -> Picture:
    """Describe the importance of each key that varies.

    Raises:
        ConfigError: nothing varies, or there are too few runs with a result.
    """
    shares = find_importance(subject)
    names = list(shares)[::-1]  # the most important on top
    values = [shares[name] for name in names]
    bars = Bars(
        starts=(0.0,) * len(names),
        ends=tuple(values),
        texts=tuple(f"{name}: {share:.1%}" for name, share in shares.items())[::-1],
        colours=("blue",) * len(names),
        labels=tuple(f"{value:.0%}" for value in values),
    )
    labels = tuple(describe_axis(subject.runs, name).label.partition(" [")[0] for name in names)
    panel = Panel(
        x=Axis(
            label="importance [share of the variation explained]", limits=(0.0, 1.15 * max(values))
        ),
        y=Axis(label="", ticks=tuple(map(float, range(len(names)))), names=labels),
        marks=[bars],
    )
    note = f"fANOVA of the rank of {subject.objective} over {len(subject.runs)} runs"
    n_last = int((subject.runs["status"] == "diverged").sum())
    note += f"; {n_last} diverged, ranked last" if n_last else ""
    return Picture(kind="importance", title="What mattered", panels=[panel], note=note)


def find_importance(subject: Subject) -> dict[str, float]:
    """Find the importance of each key that varies, most important first, with Optuna's fANOVA.

    What is explained is the rank of the result: one huge loss would otherwise be all of the
    variation. Runs that diverged share the last rank; failed and unfinished ones are left out.

    Returns:
        Shares that sum to 1.

    Raises:
        ConfigError: nothing varies, or there are too few runs with a result.
    """
    import optuna  # half a second, which the other plots need not pay

    names = [name for name in subject.varying if subject.runs[name].notna().all()]
    if not names:
        raise ConfigError(
            "nothing varies between these runs but the seed, so nothing can matter",
            where="DIR...",
            fix="name a sweep over some key, or use --kind curves",
        )
    results = subject.results.to_numpy(dtype=float)
    losses = results if subject.is_loss else -results
    losses = np.where((subject.runs["status"] == "diverged").to_numpy(), np.inf, losses)
    rows = np.flatnonzero(~np.isnan(losses))
    if len(rows) < FEWEST_RUNS or np.unique(losses[rows]).size < 2:
        raise ConfigError(
            f"importance needs at least {FEWEST_RUNS} runs with different results, "
            f"and there are {np.unique(losses[rows]).size}",
            where="DIR...",
            fix="train more trials, or use --kind slice",
        )
    ranks = stats.rankdata(losses[rows])
    space = {name: _distribution(subject, name) for name in names}
    values = {name: _values(subject, name)[rows].tolist() for name in names}
    study = make_study(["minimize"])
    study.add_trials(
        [
            optuna.create_trial(
                params={name: values[name][i] for name in names},
                distributions=space,
                value=float(rank),
            )
            for i, rank in enumerate(ranks)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(max_depth=MAX_DEPTH, seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _distribution(subject: Subject, name: str) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not is_number(subject.runs[name]):
        return CategoricalDistribution(list_names(subject.runs[name]))
    values = place_values(subject.runs[name])
    is_log = describe_axis(subject.runs, name, subject.logs).scale == LOG
    return FloatDistribution(float(values.min()), float(values.max()), log=is_log)


def _values(subject: Subject, name: str) -> NDArray[Any]:
    places = place_values(subject.runs[name])
    if is_number(subject.runs[name]):
        return places
    names = np.array(list_names(subject.runs[name]), dtype=object)
    return np.asarray(names[places.astype(int)])
