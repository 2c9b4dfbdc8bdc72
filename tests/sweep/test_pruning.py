"""What is reported of a trial, and which runs end by it."""

import pytest

from ermlab.sweep.pruning import Pruning
from ermlab.trial.reports import Report

INF, NAN = float("inf"), float("nan")


class Study:
    """Prunes a trial whose last report is above a bound."""

    def __init__(self, bound):
        self.bound, self.reports = bound, []

    def judge(self, number, index, value):
        self.reports.append((number, index, value))
        return value > self.bound


def make(bound, replicates=1, *, by_replicate=False):
    study = Study(bound)
    pruning = Pruning(study, replicates=replicates, by_replicate=by_replicate, worst=INF)
    return study, pruning


def report(job, index, value):
    return Report(job=job, index=index, value=value)


def test_a_run_without_replicates_is_reported_as_it_is():
    study, pruning = make(5.0)
    assert pruning.judge([report(0, 0, 4.0), report(3, 0, 6.0)]) == [True, False]
    assert study.reports == [(0, 0, 4.0), (3, 0, 6.0)]
    assert (pruning.is_pruned(0), pruning.is_pruned(3)) == (False, True)


def test_replicates_are_reported_as_their_mean_and_pruned_together():
    study, pruning = make(5.0, replicates=3)
    assert pruning.judge([report(3, 0, 9.0), report(4, 0, 9.0)]) == [True, True]
    assert study.reports == []
    assert pruning.judge([report(5, 0, 3.0)]) == [False]  # the mean is 7
    assert study.reports == [(1, 0, 7.0)]
    assert pruning.judge([report(3, 1, 0.0), report(4, 1, 0.0)]) == [False, False]
    assert study.reports == [(1, 0, 7.0)]


def test_replicates_that_report_at_once_end_at_once():
    _, pruning = make(5.0, replicates=2)
    assert pruning.judge([report(0, 0, 9.0), report(1, 0, 9.0)]) == [False, False]


@pytest.mark.parametrize("value", [NAN, INF])
def test_what_is_not_finite_is_the_worst(value):
    study, pruning = make(5.0)
    assert pruning.judge([report(0, 0, value)]) == [False]
    assert study.reports == [(0, 0, INF)]


def test_runs_are_judged_in_the_order_of_their_numbers_wherever_they_stand():
    study, pruning = make(5.0)
    assert pruning.judge([report(7, 0, 6.0), report(2, 0, 4.0)]) == [False, True]
    assert [trial for trial, _, _ in study.reports] == [2, 7]


def test_by_replicate_the_final_values_are_reported():
    study, pruning = make(5.0, replicates=3, by_replicate=True)
    assert pruning.judge([report(0, 0, 9.0)]) == [True]
    pruning.end(0, 4.0)
    pruning.end(1, 6.0)
    assert study.reports == [(0, 0, 4.0), (0, 1, 6.0)]
    assert pruning.is_pruned(0)
    assert pruning.judge([report(2, 0, 1.0)]) == [False]


def test_a_trial_pruned_before_a_stop_is_reported_again():
    study, pruning = make(5.0)
    pruning.repeat(2, [4.0, 3.0], is_pruned=True)
    assert study.reports == []
    pruning.settle(2)  # for a reason that is no more to be seen
    assert study.reports == [(2, 0, 4.0), (2, 1, 3.0)]
    assert pruning.is_pruned(2)
    pruning.settle(3)
    assert pruning.is_pruned(3)


def test_a_run_that_ended_before_a_stop_does_not_prune_its_trial():
    study, pruning = make(5.0)
    pruning.repeat(2, [4.0, 9.0], is_pruned=False)
    assert (study.reports, pruning.is_pruned(2)) == ([], False)


@pytest.mark.parametrize("is_pruned", [False, True])
def test_a_replicate_trained_again_is_judged_with_those_that_had_ended(is_pruned):
    study, pruning = make(5.0, replicates=2)
    pruning.repeat(2, [4.0, 2.0], is_pruned=is_pruned)
    assert pruning.judge([report(3, 0, 4.0)]) == [True]  # not before its time
    assert pruning.judge([report(3, 1, 4.0)]) == [not is_pruned]
    assert study.reports == [(1, 0, 4.0), (1, 1, 3.0)]


def test_by_replicate_a_trial_pruned_before_a_stop_reports_a_final_value_and_no_validations():
    study, pruning = make(5.0, replicates=3, by_replicate=True)
    pruning.repeat(0, [4.0, 3.0], is_pruned=False)
    pruning.repeat(1, [4.0, 9.0], is_pruned=True)
    pruning.settle(0)
    assert study.reports == []
    pruning.end(0, 3.0)
    pruning.end(1, 4.0)
    assert (study.reports, pruning.is_pruned(0)) == ([(0, 0, 3.0)], True)
    assert pruning.judge([report(2, 0, 1.0)]) == [False]


def test_a_trial_with_a_pruned_replicate_is_pruned_wherever_the_others_end():
    study, pruning = make(5.0, replicates=3)
    pruning.repeat(0, [1.0, 1.0], is_pruned=True)
    pruning.repeat(1, [1.0, 1.0, 1.0], is_pruned=True)
    assert pruning.judge([report(2, 0, 1.0)]) == [True]
    assert pruning.is_pruned(0)  # also if the last one were to end now
    assert pruning.judge([report(2, 1, 1.0)]) == [False]
    assert study.reports == [(0, 0, 1.0), (0, 1, 1.0)]


def test_a_trial_that_ended_is_forgotten():
    _, pruning = make(5.0)
    pruning.judge([report(0, 0, 9.0)])
    pruning.forget(0)
    assert not pruning.is_pruned(0)
