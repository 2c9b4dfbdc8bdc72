"""The quick sampler suggests what Optuna's TPE suggests, to the last bit and draw for draw."""

import ctypes
import math

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import RandomSampler, TPESampler
from optuna.samplers._tpe import _truncnorm, sampler
from optuna.trial import TrialState

from ermlab.native.compile import find_compiler
from ermlab.native.parzen import find_parzen
from ermlab.sampler import choose, quick_tpe
from ermlab.sampler import quicken as versions
from ermlab.sampler.choose import find_best
from ermlab.sampler.quick_tpe import QuickTPE
from ermlab.sampler.quicken import quicken

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # One that is known by its version must be known by its sources too: the tests fail if not.
    pytest.mark.skipif(
        optuna.__version__ not in versions.KNOWN, reason="this Optuna is used as it is"
    ),
]

USUAL = {
    "hidden_units": IntDistribution(8, 256, log=True),
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "batch_size": IntDistribution(10, 200),
}
SPACES = {
    "usual": USUAL,
    "smooth": {"a": FloatDistribution(0, 1), "b": FloatDistribution(1e-3, 1, log=True)},
    "steps": {"a": IntDistribution(-3, 9, step=3), "b": FloatDistribution(0, 1, step=0.05)},
    "choices": {"a": CategoricalDistribution(["x", None, 3]), "b": IntDistribution(0, 1)},
    "single": {"a": IntDistribution(4, 4), "b": FloatDistribution(0, 1)},
    "mixed": {**USUAL, "rule": CategoricalDistribution(["sgd", "adam"])},
    "long": {"a": IntDistribution(1, 10**9), "b": FloatDistribution(-1e6, 1e6)},
}
OPTIONS = {
    "defaults": {},
    "independent": {"multivariate": False},
    "no liar": {"constant_liar": False},
    "few candidates": {"n_ei_candidates": 3, "n_startup_trials": 2},
    "endpoints": {"consider_endpoints": True, "prior_weight": 0.5},
    "no clip": {"consider_magic_clip": False},
    "functions": {"gamma": lambda n: n // 3, "weights": lambda n: np.arange(1.0, n + 1)},
    "group": {"group": True, "multivariate": True},
}


def follow(sampler, space, *, n_trials, seed, lag=0, direction="minimize", change=None):
    """Sweep with made-up values, of all kinds of ends; return what was suggested."""
    study = optuna.create_study(sampler=sampler, direction=direction)
    rng, suggested, waiting = np.random.default_rng(seed), [], []
    for number in range(n_trials):
        trial = study.ask()
        present = space if change is None else change(number, space)
        suggested.append({key: trial._suggest(key, each) for key, each in present.items()})
        waiting.append(trial)
        while len(waiting) > lag:
            end(study, waiting.pop(int(rng.integers(len(waiting)))), rng)
    return suggested


def end(study, trial, rng):
    """Tell a trial: most complete, with ties and infinities; others failed or pruned."""
    kind = rng.random()
    if kind < 0.1:
        study.tell(trial, state=TrialState.FAIL)
    elif kind < 0.2:
        study.tell(trial, state=TrialState.PRUNED)
    elif kind < 0.35:
        value = float("nan") if kind > 0.34 else float(rng.random())
        trial.report(value, int(rng.integers(1, 4)))
        study.tell(trial, state=TrialState.PRUNED)
    elif kind < 0.6:
        study.tell(trial, float(rng.integers(3)))
    else:
        study.tell(trial, math.inf if kind > 0.98 else float(rng.normal()))


def assert_equal(sweep, **options):
    """Compare what the quick sampler suggests with what Optuna's does, with nothing of ours."""
    quick = quicken(TPESampler(**options))
    assert type(quick) is QuickTPE
    suggested = sweep(quick)
    _truncnorm._log_ndtr = quick_tpe._by_optuna
    assert suggested == sweep(TPESampler(**options))


def assert_equal_sweeps(options, space, **how):
    assert_equal(lambda sampler: follow(sampler, space, **how), seed=how["seed"], **options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_each_suggestion_is_optunas(space, options):
    assert_equal_sweeps(options, space, n_trials=60, seed=3, lag=2)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("lag", [0, 12])
def test_a_long_sweep_is_optunas(seed, direction, lag):
    assert_equal_sweeps({}, USUAL, n_trials=300, seed=seed, lag=lag, direction=direction)


def leave_out(number, space):
    return {key: each for key, each in space.items() if key != "lr" or number % 3}


def narrow(number, space):
    return {**space, "lr": FloatDistribution(1e-4, 1e-2 if number % 4 else 1e-1, log=True)}


@pytest.mark.parametrize("change", [leave_out, narrow])
@pytest.mark.parametrize("options", [{}, {"multivariate": False}], ids=["relative", "independent"])
def test_a_space_that_changes_is_sampled_as_optuna_does(change, options):
    assert_equal_sweeps(options, USUAL, n_trials=60, seed=5, change=change)


def test_trials_that_were_added_count():
    def sweep(sampler):
        study = optuna.create_study(sampler=sampler)
        rng = np.random.default_rng(0)
        for _ in range(40):
            params = {"hidden_units": 9, "lr": float(rng.uniform(1e-4, 0.1)), "batch_size": 20}
            made = optuna.create_trial(params=params, distributions=USUAL, value=rng.random())
            study.add_trial(made)
        study.enqueue_trial({"lr": 0.01})
        found = []
        for _ in range(10):
            trial = study.ask()
            found.append({key: trial._suggest(key, each) for key, each in USUAL.items()})
            study.tell(trial, rng.random())
        return found

    assert_equal(sweep, seed=1)


def test_another_study_of_the_same_space_begins_anew():
    quick, plain = quicken(TPESampler(seed=2)), TPESampler(seed=2)
    for _ in range(2):
        how = {"n_trials": 30, "seed": 4}
        assert follow(quick, USUAL, **how) == follow(plain, USUAL, **how)


def follow_constraints(sampler):
    study = optuna.create_study(sampler=sampler)
    found = []
    for number in range(40):
        trial = study.ask()
        found.append({key: trial._suggest(key, each) for key, each in USUAL.items()})
        trial.set_constraint("memory", float(number % 5 - 3))
        study.tell(trial, found[-1]["lr"])
    return found


def test_constraints_are_sampled_as_optuna_does():
    assert_equal(follow_constraints, seed=0)


def test_several_objectives_are_sampled_as_optuna_does():
    def sweep(sampler):
        study = optuna.create_study(sampler=sampler, directions=["minimize", "maximize"])
        found = []
        for _ in range(30):
            trial = study.ask()
            found.append({key: trial._suggest(key, each) for key, each in USUAL.items()})
            study.tell(trial, [found[-1]["lr"], float(found[-1]["batch_size"])])
        return found

    assert_equal(sweep, seed=0)


def test_without_the_library_the_suggestions_are_the_same(monkeypatch):
    monkeypatch.setattr(choose, "find_parzen", lambda: None)
    monkeypatch.setattr(quick_tpe, "find_parzen", lambda: None)
    assert_equal_sweeps({}, SPACES["mixed"], n_trials=60, seed=7, lag=2)


def test_candidates_that_are_nearly_equal_are_left_to_optuna(monkeypatch):
    monkeypatch.setattr(choose, "NEARLY_EQUAL", math.inf)  # all are
    found = []
    monkeypatch.setattr(quick_tpe, "find_best", lambda *given: found.append(find_best(*given)))
    assert_equal_sweeps({}, USUAL, n_trials=60, seed=8)
    assert found
    assert set(found) == {None}


OUTSIDE = {
    "smooth": (FloatDistribution(0, 1), lambda k: 1.5 + 0.001 * k),
    "steps": (IntDistribution(1, 100), lambda k: 200 + k),
}


@pytest.mark.filterwarnings("ignore:Fixed parameter:UserWarning")
@pytest.mark.parametrize(("distribution", "value"), OUTSIDE.values(), ids=OUTSIDE)
def test_values_of_another_range_are_left_to_optuna(distribution, value):
    def sweep(sampler):
        study = optuna.create_study(sampler=sampler)
        for k in range(8):
            study.enqueue_trial({"a": value(k)})
        found = []
        for number in range(60):
            trial = study.ask()
            found.append(trial._suggest("a", distribution))
            study.tell(trial, float(number * 7 % 13))
        return found

    for seed in range(4):
        assert_equal(sweep, seed=seed)


def test_a_running_trial_of_another_range_is_left_to_optuna():
    def sweep(sampler):
        study = optuna.create_study(sampler=sampler)
        found = []
        for number in range(40):
            trial = study.ask()
            found.append(trial._suggest("a", FloatDistribution(0, 1)))
            study.tell(trial, found[-1])
            if number % 5 == 4:
                study.ask()._suggest("a", FloatDistribution(1.5, 1.5005))
        return found

    for seed in range(4):
        assert_equal(sweep, seed=seed, multivariate=False)


def test_a_gamma_below_zero_is_left_to_optuna():
    how = {"n_trials": 40, "seed": 3}
    assert_equal_sweeps({"gamma": lambda n: n // 3 - 6}, USUAL, **how)


def test_nothing_goes_through_all_trials_at_each_suggestion(monkeypatch):
    if find_compiler() is None:
        pytest.skip("this machine has no C compiler")
    n_calls = 0

    def count(*_args, **_options):
        nonlocal n_calls
        n_calls += 1
        return [], []

    monkeypatch.setattr(sampler, "_split_trials", count)
    monkeypatch.setattr(TPESampler, "_compute_acquisition_func", count)
    monkeypatch.setattr(TPESampler, "_get_internal_repr", count)
    follow(quicken(TPESampler(seed=0)), USUAL, n_trials=60, seed=0)
    assert n_calls == 0


def test_an_unknown_version_is_used_as_it_is(monkeypatch, caplog):
    caplog.set_level("DEBUG", logger="ermlab")
    monkeypatch.setattr(versions, "is_known", lambda: False)
    made = TPESampler(seed=0)
    assert quicken(made) is made
    assert "not known" in caplog.text


@pytest.mark.parametrize("sources", [("samplers/_tpe/sampler.py",), ("samplers/no_such.py",)])
def test_the_version_is_told_by_its_sources(sources, monkeypatch):
    monkeypatch.setattr(versions, "SOURCES", sources)
    assert not versions.is_known.__wrapped__()


def test_other_samplers_stay_as_they_are():
    class Mine(TPESampler):
        pass

    for made in (RandomSampler(seed=0), Mine(seed=0)):
        assert quicken(made) is made


def test_the_compiled_logarithm_is_optunas_to_the_last_bit():
    library = find_parzen()
    if find_compiler() is None:
        pytest.skip("this machine has no C compiler")
    assert library is not None
    rng = np.random.default_rng(0)
    edges = [0.0, -0.0, 6, -20, math.inf, -math.inf, -1e100, 1e100, *np.nextafter([6, -20], 0)]
    given = np.concatenate([rng.normal(size=2000) * 3, rng.uniform(-1e3, 40, 2000), edges])
    by_optuna = np.array([_truncnorm._log_ndtr_single(each) for each in given.tolist()])
    result = np.empty_like(given)
    library.ermlab_log_ndtr(given.ctypes.data, given.size, result.ctypes.data)
    assert (result.view(np.int64) == by_optuna.view(np.int64)).all()


def test_a_compiled_logarithm_that_differs_is_not_used(monkeypatch):
    class Other:
        def ermlab_log_ndtr(self, given, n, result):
            numbers = ctypes.cast(result, ctypes.POINTER(ctypes.c_double * n)).contents
            numbers[:] = [0.0] * n

    monkeypatch.setattr(quick_tpe, "find_parzen", lambda: Other())
    monkeypatch.setattr(_truncnorm, "_log_ndtr", quick_tpe._by_optuna)
    quick_tpe.use_compiled()
    assert _truncnorm._log_ndtr is quick_tpe._by_optuna
