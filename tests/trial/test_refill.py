"""Stacks whose places are taken by other trials while they train: each as it trains alone."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError
from ermlab.trial.run import run_trial
from ermlab.trial.stack_run import StackOptions, TrialTask, run_stack
from ermlab.trial.targets import DEFAULT_ALLOW

SHORT = ["dtype=float64", "data.n_train=60", "plot=false", "model=two_layer"]
OPTIMIZERS = ["sgd", "momentum", "adam", "adamw"]


def config_of(words):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return compose("config", overrides=[*SHORT, *words])


def make_tasks(folder: Path, all_words):
    tasks = []
    for number, words in enumerate(all_words):
        run_dir = folder / str(number)
        run_dir.mkdir(parents=True)
        task = TrialTask(number=number, config=config_of(words), run_dir=run_dir, choices={})
        tasks.append(task)
    return tasks


class Queue:
    """A supply of trials in a row; remembers when each began and ended."""

    def __init__(self, tasks, *, wait_until=None):
        self.tasks = list(tasks)
        self.began, self.results, self.clocks = {}, {}, {}
        self.wait_until = wait_until  # for the next trial, although a place is free

    def next_clock(self):
        return self.wait_until if self.tasks else None

    def take(self, n_places, clock):
        if self.wait_until is not None and clock < self.wait_until:
            return []
        self.wait_until = None
        taken, self.tasks = self.tasks[:n_places], self.tasks[n_places:]
        self.began |= {task.number: clock for task in taken}
        return taken

    def ended(self, task, result, clock):
        self.results[task.number], self.clocks[task.number] = result, clock


def random_words(rng, optimizer):
    return [
        f"optimizer={optimizer}",
        f"optimizer.lr={10 ** rng.uniform(-3, -1)}",
        f"model.hidden_units={int(rng.integers(2, 20))}",
        f"loop.batch_size={int(rng.integers(5, 40))}",
        f"loop.epochs={int(rng.integers(1, 6))}",
        f"seed={int(rng.integers(3))}",
    ]


def train(tasks, n_places, supply_options=(), **options):
    queue = Queue(tasks[n_places:], **dict(supply_options))
    chosen = StackOptions(allow=DEFAULT_ALLOW, cache={}, n_places=n_places, **options)
    clock = run_stack(tasks[:n_places], queue, chosen)
    return queue, clock


def history(run_dir):
    return pd.read_csv(run_dir / rundir.HISTORY).drop(columns="wall_s")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_trials_that_take_free_places_train_as_they_do_alone(optimizer, tmp_path):
    rng = np.random.default_rng(OPTIMIZERS.index(optimizer))
    all_words = [random_words(rng, optimizer) for _ in range(12)]
    queue, clock = train(make_tasks(tmp_path / "stack", all_words), 3)
    assert len(queue.began) == 9
    assert max(queue.began.values()) > 0
    for task in make_tasks(tmp_path / "alone", all_words):
        alone = run_trial(
            task.config, run_dir=task.run_dir, choices={}, allow=DEFAULT_ALLOW, is_sweep=True
        )
        stacked = tmp_path / "stack" / task.run_dir.name
        # The same arithmetic in another order: rounding only.
        pd.testing.assert_frame_equal(history(stacked), history(task.run_dir), rtol=1e-9, atol=0)
        for column in ("status", "best_step", "steps", "epochs"):
            assert queue.results[task.number][column] == alone[column]
        assert queue.results[task.number]["test_loss"] == pytest.approx(
            alone["test_loss"], rel=1e-9
        )
        began = queue.began.get(task.number, 0)
        assert queue.clocks[task.number] == began + alone["steps"]
    assert clock == max(queue.clocks.values())


def test_a_place_is_taken_while_the_others_go_on(tmp_path):
    words = [[f"loop.epochs={n}", "loop.batch_size=20"] for n in (1, 6, 2)]
    queue, clock = train(make_tasks(tmp_path, words), 2)
    assert queue.began == {2: 3}  # when trial 0 has made its one epoch of three steps
    assert queue.clocks == {0: 3, 2: 9, 1: 18}
    assert clock == 18


def test_a_trial_can_begin_at_a_given_clock_in_an_empty_place(tmp_path):
    words = [[f"loop.epochs={n}", "loop.batch_size=20"] for n in (6, 2)]
    tasks = make_tasks(tmp_path, words)
    queue = Queue(tasks[1:], wait_until=4)
    run_stack(tasks[:1], queue, StackOptions(allow=DEFAULT_ALLOW, cache={}, n_places=3))
    assert queue.began == {1: 4}
    assert queue.clocks == {1: 10, 0: 18}
    for task, alone in zip(tasks, make_tasks(tmp_path / "alone", words), strict=True):
        run_dir = alone.run_dir
        run_trial(alone.config, run_dir=run_dir, choices={}, allow=DEFAULT_ALLOW, is_sweep=True)
        frames = history(task.run_dir), history(run_dir)
        pd.testing.assert_frame_equal(*frames, rtol=1e-9, atol=0)


def test_a_trial_is_written_when_it_ends_and_not_with_its_neighbours(tmp_path):
    tasks = make_tasks(tmp_path, [[f"loop.epochs={n}"] for n in (1, 5)])
    finished = []

    def look(check):
        finished.append([(task.run_dir / rundir.SUMMARY).exists() for task in tasks])

    train(tasks, 2, on_check=look)
    assert [True, False] in finished


def test_a_wrong_trial_leaves_its_place_to_the_next(tmp_path):
    words = [["loop.epochs=1"], ["loop.epochs=3"], ["optimizer.lr=-1"], ["loop.epochs=2"]]
    queue, _ = train(make_tasks(tmp_path, words), 2)
    assert isinstance(queue.results[2], ConfigError)
    assert [queue.results[n]["status"] for n in (0, 1, 3)] == ["completed"] * 3


def test_a_judge_is_told_each_run_s_own_validations_and_can_end_it(tmp_path):
    told = []

    def judge(reports, clock):
        told.extend(reports)
        return [not (each.job == 2 and each.index == 1) for each in reports]

    tasks = make_tasks(tmp_path, [[f"loop.epochs={n}"] for n in (1, 4, 5, 2)])
    queue, _ = train(tasks, 2, judge=judge)
    assert [queue.results[n]["status"] for n in range(4)] == [
        "completed", "completed", "pruned", "completed",
    ]  # fmt: skip
    by_job = {job: [r for r in told if r.job == job] for job in range(4)}
    assert {job: [r.index for r in each] for job, each in by_job.items()} == {
        0: [0], 1: [0, 1, 2, 3], 2: [0, 1], 3: [0, 1],
    }  # fmt: skip
    for job, each in by_job.items():
        assert [r.value for r in each] == list(history(tasks[job].run_dir)["valid_loss"])


@pytest.mark.parametrize("when", ["take", "ended"])
def test_a_supply_that_ends_the_sweep_is_not_taken_for_a_trial_that_fails(when, tmp_path):
    tasks = make_tasks(tmp_path, [["loop.epochs=1"], ["loop.epochs=4"]])
    queue = Queue([])

    def refuse(*_):
        raise ConfigError("enough", where="the sweep", fix="none")

    setattr(queue, when, refuse)
    with pytest.raises(ConfigError, match="enough"):
        run_stack(tasks, queue, StackOptions(allow=DEFAULT_ALLOW, cache={}))
    assert not (tasks[1].run_dir / rundir.SUMMARY).exists()


def test_a_stack_goes_on_with_trials_of_other_seeds_and_widths_as_long_as_there_are_any(tmp_path):
    seeds = itertools.cycle(range(3))
    words = [
        [f"seed={next(seeds)}", f"model.hidden_units={h}", "loop.epochs=1"] for h in range(2, 22)
    ]
    queue, _ = train(make_tasks(tmp_path, words), 4)
    assert sorted(queue.results) == list(range(20))
    assert {result["stack_size"] for result in queue.results.values()} == {4}
