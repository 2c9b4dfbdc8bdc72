"""The lowest validation loss of a trial, and its misses."""

from ermlab.loop.stopping import Best

INF, NAN = float("inf"), float("nan")


def test_a_lower_loss_becomes_the_best():
    best = Best(loss=2.0, step=3)
    assert best.take(1.0, 7)
    assert best == Best(loss=1.0, step=7, misses=0)


def test_an_equal_loss_is_no_improvement():
    best = Best(loss=2.0, step=3)
    assert not best.take(2.0, 7)
    assert best == Best(loss=2.0, step=3, misses=1)


def test_nan_never_becomes_the_best_value():
    best = Best()
    assert not best.take(NAN, 0)
    assert best.loss == INF
    assert best.step == -1


def test_what_does_not_count_is_a_miss():
    best = Best(loss=2.0, step=3)
    assert not best.take(1.0, 7, counts=False)
    assert best == Best(loss=2.0, step=3, misses=1)


def test_misses_count_up_and_start_again_with_an_improvement():
    best = Best()
    taken = [best.take(loss, step) for step, loss in enumerate([3.0, 4.0, 4.0, 2.0, 5.0])]
    assert taken == [True, False, False, True, False]
    assert best == Best(loss=2.0, step=3, misses=1)
