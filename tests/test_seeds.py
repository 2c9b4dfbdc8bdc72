"""Seeds of named purposes: the same everywhere, unrelated to each other."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ermlab.seeds import child_seed, generator

PURPOSES = ["init", "data", "split", "batches", "forward"]


@given(seed=st.integers(), purpose=st.text(max_size=20))
def test_a_child_seed_is_one_that_every_library_takes(seed, purpose):
    assert 0 <= child_seed(seed, purpose) < 2**63


@given(seed=st.integers(0, 2**32))
def test_purposes_and_neighbouring_seeds_have_seeds_of_their_own(seed):
    children = {child_seed(s, p) for s in (seed, seed + 1) for p in PURPOSES}
    assert len(children) == 2 * len(PURPOSES)


def test_a_number_in_the_purpose_is_not_confused_with_the_seed():
    assert child_seed(1, "2/init") != child_seed(12, "/init")


def test_a_child_seed_never_changes():
    # Written down once: another value would change the numbers of every run ever made.
    assert child_seed(0, "init") == 1519069808562059438


def test_a_child_seed_does_not_depend_on_the_process():
    code = "from ermlab.seeds import child_seed; print(child_seed(7, 'batches'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == child_seed(7, "batches")


def test_a_generator_draws_the_same_for_the_same_seed_and_purpose():
    first, again = (generator(3, "split").random(5) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_generators_of_neighbouring_seeds_are_not_correlated():
    draws = np.array([generator(seed, "init").standard_normal(4000) for seed in range(6)])
    # 15 pairs of 4000 draws: a correlation beyond 0.08 is five standard deviations.
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 0.08


def test_making_a_generator_leaves_the_global_one_alone():
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    generator(1, "init").random(3)
    assert np.random.rand() == expected
