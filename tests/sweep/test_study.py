"""A study that goes on is the study that was never stopped."""

import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ermlab.errors import RunDirError
from ermlab.sweep.question import Question, describe_space
from ermlab.sweep.study import Study

optuna.logging.set_verbosity(optuna.logging.WARNING)

SPACE = {
    "h": IntDistribution(3, 200, log=True),
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "kind": CategoricalDistribution(["a", "b"]),
}
SAMPLERS = {
    "tpe": lambda: optuna.samplers.TPESampler(seed=3, n_startup_trials=5),
    "random": lambda: optuna.samplers.RandomSampler(seed=3),
    "qmc": lambda: optuna.samplers.QMCSampler(seed=3),
    "nsga": lambda: optuna.samplers.NSGAIISampler(seed=3, population_size=4),
}


def question(space=SPACE, **changes):
    asked = {"fixed": ["x=1"], "directions": ["minimize"], "replicates": 1, **changes}
    return Question(space=describe_space(space), **asked)


def open_study(path, make_sampler, *, make_pruner=None, go_on_changed=False, **changes):
    return Study(
        path,
        make_sampler=make_sampler,
        make_pruner=make_pruner,
        space=SPACE,
        question=question(**changes),
        extend=None,
        go_on_changed=go_on_changed,
    )


def loss(params):
    return None if params["h"] > 150 else params["lr"] + (params["kind"] == "a")


def carry_out(path, make_sampler, n_trials, *, stops=(), batch=3):
    """Ask and tell in batches, and stop after some numbers of asks and tells."""
    left, asked = list(stops), {}
    study, n_events = open_study(path, make_sampler), 0

    def event():
        nonlocal study, n_events
        n_events += 1
        if n_events in left:
            study.close()
            study = open_study(path, make_sampler)
            return True
        return False

    while True:
        pending = sorted(study.open_trials.items())
        target = -(-study.n_asked // batch) * batch if pending else study.n_asked + batch
        while study.n_asked < min(target, n_trials):
            pending.append(study.ask())
            if event():
                break
        else:
            if not pending:
                study.close()
                return asked, study
            for number, params in pending:
                assert asked.setdefault(number, params) == params
                study.tell(number, None if (value := loss(params)) is None else [value])
                if event():
                    break


@pytest.mark.filterwarnings("ignore:.*is experimental")  # Optuna says so of QMC for years
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_stopped_sweep_asks_the_trials_of_the_undisturbed_one(name, tmp_path):
    straight, _ = carry_out(tmp_path / "straight", SAMPLERS[name], 18)
    rng = random.Random(name)
    for turn in range(3):
        stops = sorted(rng.sample(range(1, 36), 4))
        stopped, study = carry_out(tmp_path / f"{turn}", SAMPLERS[name], 18, stops=stops)
        assert stopped == straight
        assert study.n_asked == 18


def test_a_sampler_without_a_seed_goes_on_from_the_recorded_trials(tmp_path):
    make = optuna.samplers.TPESampler
    study = open_study(tmp_path / "s", make)
    asked = [study.ask() for _ in range(4)]
    study.tell(0, [1.0])
    study.close()
    again = open_study(tmp_path / "s", make)
    assert again.n_asked == 4
    assert sorted(again.open_trials.items()) == asked[1:]
    assert again.best()[0].params == asked[0][1]
    assert again.ask()[0] == 4
    again.close()


def test_a_failed_trial_is_no_best_one_and_the_sampler_has_it(tmp_path):
    study = open_study(tmp_path / "s", SAMPLERS["tpe"])
    study.ask()
    study.tell(0, None)
    assert study.best() == []
    assert study.n_failed == 1
    study.close()
    assert open_study(tmp_path / "s", SAMPLERS["tpe"]).n_failed == 1


def test_counting_the_trials_copies_none_of_them(tmp_path, monkeypatch):
    study = open_study(tmp_path / "s", SAMPLERS["random"])
    study.ask()
    monkeypatch.setattr("copy.deepcopy", None)
    assert (study.n_asked, study.n_told) == (1, 0)
    monkeypatch.undo()
    study.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fixed": ["x=2"]}, "fixed was"),
        ({"replicates": 3}, "replicates was 1, is 3"),
        ({"directions": ["maximize"]}, "directions was"),
        ({"space": {"h": IntDistribution(1, 2)}}, "space was"),
    ],
)
def test_another_question_is_refused_with_what_changed(changes, told, tmp_path):
    study = open_study(tmp_path / "s", SAMPLERS["random"])
    study.ask()
    study.close()
    with pytest.raises(RunDirError, match=told):
        open_study(tmp_path / "s", SAMPLERS["random"], **changes)
    if "space" not in changes and "directions" not in changes:
        gone_on = open_study(tmp_path / "s", SAMPLERS["random"], go_on_changed=True, **changes)
        assert gone_on.n_asked == 1


def report_all(study, number, values):
    """Report until the pruner ends the trial; return whether it did."""
    for index, value in enumerate(values):
        if study.judge(number, index, value):
            study.tell_pruned(number)
            return True
    study.tell(number, [min(values)])
    return False


PRUNERS = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=2),
    "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=6, reduction_factor=2),
}


@pytest.mark.filterwarnings("ignore:.*is experimental")
@pytest.mark.parametrize("name", PRUNERS)
def test_a_study_that_goes_on_prunes_and_asks_as_the_undisturbed_one(name, tmp_path):
    def carry_on(path, n_trials, stop_after):
        study, ends = None, []
        for number in range(n_trials):
            if study is None or number in stop_after:
                if study is not None:
                    study.close()
                study = open_study(path, SAMPLERS["tpe"], make_pruner=PRUNERS[name])
            asked, params = study.ask()
            assert asked == number
            losses = [loss_at(params, index) for index in range(6)]
            ends.append((params, report_all(study, number, losses)))
        study.close()
        return ends

    def loss_at(params, index):
        return params["lr"] + (params["kind"] == "a") + 1 / (1 + index)

    straight = carry_on(tmp_path / "straight", 20, ())
    assert carry_on(tmp_path / "stopped", 20, (3, 4, 11, 17)) == straight
    assert 0 < sum(pruned for _, pruned in straight) < 20


def test_a_failure_after_good_reports_is_told_the_worst_value(tmp_path):
    study = open_study(tmp_path / "s", SAMPLERS["tpe"], make_pruner=PRUNERS["median"])
    study.ask()
    study.judge(0, 0, 0.001)
    study.tell(0, None)
    assert study.best() == []
    assert study.n_failed == 1
    told = study._study.trials[0]
    assert told.value == float("inf")
    study.close()


def test_a_pruned_trial_counts_by_its_last_report_and_is_no_failure(tmp_path):
    study = open_study(tmp_path / "s", SAMPLERS["tpe"], make_pruner=PRUNERS["median"])
    study.ask()
    study.judge(0, 0, 3.0)
    study.judge(0, 1, 2.5)
    study.tell_pruned(0)
    study.close()
    again = open_study(tmp_path / "s", SAMPLERS["tpe"], make_pruner=PRUNERS["median"])
    assert (again.n_failed, again.n_told, again.best()) == (0, 1, [])
    assert again._study.trials[0].intermediate_values == {0: 3.0, 1: 2.5}
    again.close()


def test_what_was_decided_before_a_stop_is_not_decided_again(tmp_path):
    study = open_study(tmp_path / "s", SAMPLERS["tpe"], make_pruner=PRUNERS["median"])
    for number, value in enumerate([1.0, 2.0, 9.0]):
        study.ask()
        decided = study.judge(number, 0, value)
        if number < 2:
            study.tell(number, [value])
    assert decided
    study.close()
    again = open_study(tmp_path / "s", SAMPLERS["tpe"], make_pruner=PRUNERS["median"])
    assert again.judge(2, 0, 0.0)  # measured again, whatever it is now
    assert again._study.trials[2].intermediate_values == {0: 9.0}
    again.close()
