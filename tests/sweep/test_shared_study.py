"""Several processes share one study: each trial once, the total exact, none of the dead lost."""

import multiprocessing
import time

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from ermlab.errors import RunDirError, StorageError
from ermlab.sweep.question import Question, describe_space
from ermlab.sweep.shared_study import MAX_TAKEN, SharedStudy

optuna.logging.set_verbosity(optuna.logging.WARNING)

SPACE = {"h": IntDistribution(3, 200, log=True), "lr": FloatDistribution(1e-4, 1.0, log=True)}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    return request.getfixturevalue("postgresql").create_database()


def make_random(number):
    return optuna.samplers.RandomSampler(seed=number)


def open_study(url, n_trials, *, name="mine", heartbeat_s=1.0, make_sampler=make_random, **more):
    asked = {"fixed": ["x=1"], "directions": ["minimize"], "replicates": 1}
    asked |= {key: more.pop(key) for key in list(more) if key in asked}
    options = {"make_pruner": None, "extend": None, "go_on_changed": False, **more}
    study = SharedStudy(
        url,
        name,
        make_sampler=make_sampler,
        space=SPACE,
        question=Question(space=describe_space(SPACE), **asked),
        n_trials=n_trials,
        heartbeat_s=heartbeat_s,
        **options,
    )
    OPENED.append(study)
    return study


OPENED = []


@pytest.fixture(autouse=True)
def disconnected():
    """Close what a test leaves as a killed process would."""
    yield
    while OPENED:
        OPENED.pop()._storage.engine.dispose()


def plainly(url):
    """Optuna's own storage, whose connections do not outlive a call."""
    return optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": sa.pool.NullPool})


def trials_of(url, name="mine"):
    return optuna.load_study(study_name=name, storage=plainly(url)).trials


def carry_out(url, n_trials, start, told, n_jobs):
    """A process that asks in batches until nothing is left; puts each number on a queue."""
    start.wait()
    study = open_study(url, n_trials)
    while True:
        study.reserve(n_jobs)
        batch = [asked for _ in range(n_jobs) if (asked := study.ask()) is not None]
        if not batch and not study.wait(None):
            break
        for number, params in batch:
            told.put((number, params["lr"]))
            study.tell(number, [params["lr"]])
    study.close()


def test_processes_that_start_together_run_each_trial_once_and_no_more_than_the_total(url):
    spawn = multiprocessing.get_context("spawn")
    start, told = spawn.Event(), spawn.Queue()
    each = [spawn.Process(target=carry_out, args=(url, 40, start, told, n)) for n in (1, 3, 4)]
    for process in each:
        process.start()
    time.sleep(0.5)
    start.set()
    got = sorted(told.get(timeout=120) for _ in range(40))
    for process in each:
        process.join(60)
        assert process.exitcode == 0
    assert told.empty()
    assert [number for number, _ in got] == list(range(40))
    assert len({lr for _, lr in got}) == 40  # no point is suggested twice
    trials = trials_of(url)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 40
    assert [trial.params["lr"] for trial in trials] == [lr for _, lr in got]


def test_numbers_reserved_together_are_in_a_row(url):
    one, other = open_study(url, 7), open_study(url, 7)
    one.reserve(3)
    other.reserve(3)
    assert [one.ask()[0] for _ in range(3)] == [0, 1, 2]
    assert [other.ask()[0] for _ in range(3)] == [3, 4, 5]
    one.reserve(3)
    assert one.ask()[0] == 6
    assert one.ask() is None
    assert other.ask() is None
    assert one.n_asked == other.n_asked == 7
    one.close()
    other.close()


def die(study):
    """End a process as a kill does: no sign of life any more, and nothing is given back."""
    study._heartbeat.stop()


def test_the_trial_of_a_dead_process_is_taken_up_by_one_other_with_its_number_and_values(url):
    dead = open_study(url, 2)
    number, params = dead.ask()
    dead._open[number].report(3.0, 0)
    dead.should_prune(number)
    others = [open_study(url, 2) for _ in range(2)]
    assert others[0].ask()[0] == 1
    die(dead)
    assert others[1].wait(60)
    assert others[1].ask() == (number, params)
    assert others[1].may_have_run(number)
    assert others[0].ask() is None
    others[1]._open[number].report(4.0, 0)
    others[1].tell(number, [1.0])
    dead.tell(number, [5.0])  # it was only slow: too late
    assert trials_of(url)[0].values == [1.0]
    assert trials_of(url)[0].intermediate_values == {0: 4.0}
    for study in others:
        study.close()


def test_a_trial_in_progress_is_not_taken_from_a_process_that_lives(url):
    slow, other = open_study(url, 1), open_study(url, 1)
    slow.ask()
    assert not other.wait(3.5)  # longer than the two intervals after which a process is dead
    slow.tell(0, [1.0])
    assert not other.wait(None)
    assert other.is_done()
    slow.close()
    other.close()


def test_trials_given_back_are_taken_up_at_once(url):
    stopped = open_study(url, 4, heartbeat_s=1000.0)
    stopped.reserve(2)
    first = stopped.ask()
    stopped.close()
    other = open_study(url, 4, heartbeat_s=1000.0)
    assert other.n_asked == 0
    taken = [other.ask() for _ in range(4)]
    assert sorted(number for number, _ in taken) == [0, 1, 2, 3]
    assert first in taken
    other.close()


def test_a_trial_that_ends_process_after_process_fails(url):
    for _ in range(MAX_TAKEN + 1):
        study = open_study(url, 1)
        assert study.was_stopped is False or study.wait(60)
        assert study.ask()[0] == 0
        die(study)
    last = open_study(url, 1)
    assert last.wait(60)
    assert last.ask() is None
    assert last.is_done()
    assert last.n_failed == 1
    last.close()


def test_a_failure_is_told_as_pruned_without_a_report_and_a_pruned_trial_with_its_reports(url):
    study = open_study(url, 3, make_pruner=lambda: optuna.pruners.ThresholdPruner(upper=10))
    for number, value in enumerate((1.0, 11.0, 2.0)):
        study.ask()
        study._open[number].report(value, 5)
    assert [study.should_prune(number) for number in range(3)] == [False, True, False]
    study.tell(0, [1.0])
    study.tell_pruned(1)
    study.tell(2, None)
    assert study.n_failed == 1
    trials = trials_of(url)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [trial.intermediate_values for trial in trials] == [{5: 1.0}, {5: 11.0}, {}]
    assert study.best()[0].number == 0
    study.close()


def test_the_points_of_a_stopped_sweep_are_those_of_the_undisturbed_one(tmp_path):
    def make(number):
        return optuna.samplers.TPESampler(seed=number, n_startup_trials=3)

    def points(name, stops):
        url = f"sqlite:///{tmp_path / name}"
        study = open_study(url, 9, make_sampler=make)
        for turn in range(9):
            if turn in stops:
                study.close()
                study = open_study(url, 9, make_sampler=make)
            number, params = study.ask()
            study.tell(number, [params["lr"] * params["h"]])
        study.close()
        return [trial.params for trial in trials_of(url)]

    assert points("stopped", {2, 5, 6}) == points("straight", set())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fixed": ["x=2"]}, "this study holds another sweep: fixed was"),
        ({"replicates": 3}, "replicates was 1, is 3"),
        ({"directions": ["maximize"]}, "directions was"),
    ],
)
def test_another_question_is_refused_with_what_changed(url, changes, told):
    open_study(url, 2).close()
    with pytest.raises(RunDirError, match=told):
        open_study(url, 2, **changes)
    open_study(url, 2, go_on_changed=True, **changes).close()


def test_a_study_of_another_program_is_left_alone(url):
    study = optuna.create_study(study_name="mine", storage=plainly(url))
    study.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(StorageError, match="did not begin it"):
        open_study(url, 2)
    assert len(trials_of(url)) == 1


def test_points_that_were_queued_by_hand_come_first_and_count(url):
    open_study(url, 3).close()
    study = optuna.load_study(study_name="mine", storage=plainly(url))
    for lr in (0.25, 0.5):
        study.enqueue_trial({"lr": lr, "h": 7})
    shared = open_study(url, 3)
    asked = [shared.ask() for _ in range(4)]
    assert [params["lr"] for _, params in asked[:2]] == [0.25, 0.5]
    assert asked[2][0] == 2
    assert asked[3] is None
    shared.close()


def test_one_process_tests_the_winner_and_the_others_wait_for_it(url):
    one, other = open_study(url, 1), open_study(url, 1)
    with one.testing(0) as is_mine:
        assert is_mine
    with other.testing(0) as is_mine:
        assert not is_mine
    with pytest.raises(ZeroDivisionError), one.testing(1):
        raise ZeroDivisionError
    with other.testing(1) as is_mine:  # what one process did not finish, another does
        assert is_mine
    one.close()
    other.close()


def test_reports_of_several_trials_are_one_statement(url):
    study = open_study(url, 4)
    study.reserve(4)
    numbers = [study.ask()[0] for _ in range(4)]
    written = []

    def count(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("INSERT INTO trial_intermediate_values"):
            written.append(statement)

    sa.event.listen(study._storage.engine, "before_cursor_execute", count)
    for step in range(20):
        for number in numbers:
            study._open[number].report(1.0, step)
    assert not study.should_prune(0)
    assert not study.should_prune(1)
    study.tell(0, [1.0])
    study.tell(1, [1.0])
    assert len(written) == 1
    assert all(len(trial.intermediate_values) == 20 for trial in trials_of(url))
    study.close()
