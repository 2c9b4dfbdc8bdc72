"""The thread that asks ahead: every run given once, every end told, errors raised to who asks."""

import threading
from pathlib import Path

import pytest

from ermlab.sweep.ahead import Ahead


class Source:
    """Gives `total` runs, at most `n_open` at once; `again` is given twice, to be tried again."""

    starts, clock, last, n_at_once, prunes = {}, 0, None, 3, False

    def __init__(self, total, *, n_open=5, again=None, error_at=None):
        self.left = list(range(total))
        self.n_open, self.again, self.error_at = n_open, again, error_at
        self.open, self.told, self.threads = set(), [], set()

    def take(self, n_runs, *, is_new):
        self.threads.add(threading.get_ident())
        if not self.left or len(self.open) >= self.n_open:
            return []
        number = self.left.pop(0)
        if number == self.error_at:
            raise ValueError("the sampler is lost")
        self.open.add(number)
        return [(number, [])]

    def ended(self, number, run_dir, value, clock):
        self.threads.add(threading.get_ident())
        self.open.remove(number)
        self.told.append(number)
        if number == self.again:
            self.again = None
            self.left.insert(0, number)


def work(ahead, taken):
    while runs := ahead.take(1, is_new=True):
        for number, _ in runs:
            taken.append(number)
            ahead.ended(number, Path(), 1.0, None)


def work_in_threads(source, n_workers=3):
    taken = []
    with Ahead(source, n_ahead=2) as ahead:
        workers = [threading.Thread(target=work, args=(ahead, taken)) for _ in range(n_workers)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=60)
            assert not worker.is_alive()
    return taken


def test_each_run_is_given_once_and_its_end_told_by_the_one_thread():
    source = Source(50)
    taken = work_in_threads(source)
    assert sorted(taken) == list(range(50))
    assert sorted(source.told) == list(range(50))
    assert len(source.threads) == 1


def test_a_run_that_is_tried_again_is_given_once_more_even_if_it_is_the_last():
    assert work_in_threads(Source(4, again=3), n_workers=1) == [0, 1, 2, 3, 3]


def test_a_source_that_waits_for_an_end_gives_again_after_it():
    source = Source(9, n_open=1)
    assert work_in_threads(source, n_workers=1) == list(range(9))


def test_no_more_are_asked_for_than_are_to_be_ready():
    source = Source(50, n_open=50)
    with Ahead(source, n_ahead=2) as ahead:
        assert ahead.take(1, is_new=True) == [(0, [])]
    assert len(source.open) <= 4  # one taken, two ready, one that was being asked for


def test_an_error_of_the_source_reaches_who_takes():
    with Ahead(Source(5, error_at=2), n_ahead=1) as ahead:
        taken = []
        with pytest.raises(ValueError, match="the sampler is lost"):
            work(ahead, taken)
        with pytest.raises(ValueError, match="the sampler is lost"):
            ahead.check()
    assert taken in ([0], [0, 1])
