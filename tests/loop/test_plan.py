"""Plans: how many steps, and where losses are measured."""

from ermlab.loop.plan import EpochLoop, RandomBatchLoop, SimpleLoop


def epochs(**changes):
    keys = {"batch_size": 50, "epochs": 3, "validate_every": None, "patience": None}
    return EpochLoop(**{**keys, "partition": "random", "test": True, **changes})


def test_random_batches_are_checked_after_steps_0_50_and_so_on():
    plan = RandomBatchLoop(
        batch_size=50, steps=5000, validate_every=50, patience=None, partition="random", test=True
    )
    assert list(plan.checks(1000)) == list(range(0, 5000, 50))
    assert plan.n_steps(1000) == 5000


def test_the_simple_loop_neither_validates_nor_tests():
    plan = SimpleLoop(batch_size=5, steps=10, record_every=4, partition="in_order")
    assert list(plan.checks(100)) == [0, 4, 8]
    assert not plan.validates
    assert not plan.tests


def test_epochs_are_checked_at_the_end_of_each():
    assert list(epochs().checks(1000)) == [19, 39, 59]


def test_a_short_last_batch_counts_as_a_step():
    assert epochs(batch_size=300).n_steps(1000) == 12
    assert list(epochs(batch_size=300).checks(1000)) == [3, 7, 11]


def test_epochs_can_be_checked_every_few_steps_instead():
    assert list(epochs(validate_every=25).checks(1000)) == [0, 25, 50]


def test_a_short_last_batch_ends_the_epoch():
    assert epochs(batch_size=300).epochs_of(4, 1000) == 1
    assert epochs(batch_size=300).epochs_of(5, 1000) == 1.3
    assert epochs(batch_size=300).epochs_of(12, 1000) == 3
