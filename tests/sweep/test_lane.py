"""A lane: which jobs train together, in which order they begin, and what the desk is told."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError, RunDirError, StackError
from ermlab.sweep.lane import Lane, LaneOptions
from ermlab.sweep.program import make_outline
from ermlab.sweep.trials import Trials
from ermlab.trial.targets import DEFAULT_ALLOW

SHORT = ["data.n_train=40", "loop.batch_size=20", "plot=false", "dtype=float64"]  # 2 steps an epoch


class Desk:
    """Gives jobs in a row, at most `n_open` at once; remembers what it is told."""

    def __init__(self, folder: Path, all_words, *, n_open=100, n_old=0):
        self.jobs = [make_job(folder, number, words) for number, words in enumerate(all_words)]
        self.n_open, self.n_old = n_open, n_old  # the old ones were interrupted by a stop
        self.began, self.ends, self.values, self.asked = {}, {}, {}, []
        self.reports = []

    def take(self, n_jobs, is_new):
        self.asked.append(is_new)
        n_free = self.n_open - len(self.began) + len(self.ends)
        taken = [job for job in self.jobs if is_new or job.number < self.n_old]
        taken = taken[: max(0, min(n_jobs, n_free))]
        self.jobs = [job for job in self.jobs if job not in taken]
        return taken

    def begin(self, number, clock):
        self.began[number] = clock

    def end(self, number, ended, clock):
        self.ends[number], self.values[number] = clock, ended.value

    def judge(self, reports):
        self.reports += [(each.job, each.index) for each in reports]
        return [True] * len(reports)


def make_job(folder, number, words):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=[*SHORT, *words])
    run_dir = folder / str(number)
    return SimpleNamespace(
        number=number, run_dir=run_dir, choices={}, environment={}, log=None,
        outline=make_outline(config, {}),
        task_config=lambda: config,
        write_files=lambda config: run_dir.mkdir(parents=True, exist_ok=True),
    )  # fmt: skip


def run(desk, *, n_places=2, on_unstackable="single", prunes=False, **options):
    trials = Trials(allow=DEFAULT_ALLOW, finish=lambda config, run_dir, row: row["valid_loss"])
    chosen = LaneOptions(
        n_places=n_places, max_bytes=10**8, on_unstackable=on_unstackable, prunes=prunes
    )
    Lane(desk, trials, chosen, **options).run()


def epochs(*counts):
    return [[f"loop.epochs={n}"] for n in counts]


def test_a_free_place_goes_to_the_next_job(tmp_path):
    desk = Desk(tmp_path, epochs(1, 4, 2, 1))
    run(desk)
    assert desk.began == {0: 0, 1: 0, 2: 2, 3: 6}
    assert desk.ends == {0: 2, 2: 6, 1: 8, 3: 8}
    assert all(isinstance(value, float) for value in desk.values.values())


def test_jobs_of_another_program_wait_until_the_stack_is_empty(tmp_path):
    words = epochs(2, 3, 1, 1)
    for index in (1, 3):
        words[index].append("optimizer=sgd")
    desk = Desk(tmp_path, words)
    run(desk)
    # Job 1 waits in the other place while job 0 trains, and job 2 after it; then comes its kind.
    assert desk.began == {0: 0, 2: 4, 1: 6, 3: 6}
    assert desk.ends == {0: 4, 2: 6, 3: 8, 1: 12}


def test_a_job_that_cannot_be_stacked_is_trained_alone_in_between(tmp_path):
    words = epochs(1, 1, 1)
    words[1] += ["optimizer=sgd", "optimizer._target_=torch.optim.RMSprop"]
    desk = Desk(tmp_path, words)
    run(desk)
    assert desk.began == {0: 0, 2: 2, 1: 4}
    assert [isinstance(desk.values[n], float) for n in range(3)] == [True] * 3
    with pytest.raises(StackError, match="RMSprop has no stacked form"):
        run(Desk(tmp_path / "again", words), on_unstackable="error")


def test_why_jobs_are_trained_alone_is_told_once_and_counted_at_the_end(tmp_path, caplog):
    caplog.set_level("INFO", logger="ermlab")
    words = epochs(1, 1, 1)
    for each in words:
        each += ["optimizer=sgd", "optimizer._target_=torch.optim.RMSprop"]
    run(Desk(tmp_path, words))
    lines = [record.getMessage() for record in caplog.records if "RMSprop" in record.getMessage()]
    assert len(lines) == 2
    assert "job 0 is not stacked: " in lines[0]
    assert "3 jobs were not stacked: " in lines[1]


def test_jobs_that_a_stop_interrupted_begin_again_when_they_began_before(tmp_path):
    straight = Desk(tmp_path / "straight", epochs(3, 5, 2, 4, 1), n_open=2)
    run(straight, prunes=True)
    # Stopped after job 0 was told, at 6; jobs 1 and 2 were open.
    again = Desk(tmp_path / "again", epochs(3, 5, 2, 4, 1), n_open=2, n_old=3)
    again.jobs = again.jobs[1:]
    run(again, prunes=True, starts={1: 0, 2: 6}, clock=6)
    assert again.began == {k: v for k, v in straight.began.items() if k > 0}
    assert again.ends == {k: v for k, v in straight.ends.items() if k > 0}
    assert sorted(again.reports) == sorted(each for each in straight.reports if each[0] > 0)
    assert again.asked[0] is False  # nothing new before the clock shows 6


def test_memory_bounds_how_many_train_at_once(tmp_path):
    desk = Desk(tmp_path, epochs(1, 1, 1))
    for job in desk.jobs:
        work = replace(
            job.outline.work, n_products=0, batch_size=1, n_values=15 * 10**6, n_params=0
        )
        job.outline = replace(job.outline, work=work)
    run(desk, n_places=3)
    assert desk.began == {0: 0, 1: 2, 2: 4}


@pytest.mark.parametrize("kind", [ConfigError, RunDirError])
def test_what_the_desk_raises_ends_the_lane(kind, tmp_path):
    desk = Desk(tmp_path, epochs(1, 3))

    def refuse(*_):
        raise kind("there is no room", where="the sweep", fix="none")

    desk.end = refuse
    with pytest.raises(kind, match="there is no room"):
        run(desk)


def test_a_lane_without_interrupted_jobs_goes_on_when_others_may_begin(tmp_path):
    desk = Desk(tmp_path, epochs(1, 1), n_old=1)
    run(desk, starts={0: 0}, clock=9)  # job 0 ends at 2, before it can have been interrupted
    assert desk.began == {0: 0, 1: 9}
