"""The loop, driven with learners whose losses are written down beforehand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ermlab.loop.check import Check, Outcome
from ermlab.loop.loop import train
from ermlab.loop.plan import RandomBatchLoop, SimpleLoop

INF, NAN = float("inf"), float("nan")


class ScriptedLearner:
    """K trials that follow validation losses given per step; remembers what it was asked."""

    def __init__(self, valid_losses: list[list[float]], train_losses: list[float] | None = None):
        self.valid_losses = valid_losses  # per trial, per step
        self.train_losses = train_losses
        self.n_trials = len(valid_losses)
        self.step = -1
        self.asked: list[str] = []
        self.best = [None] * self.n_trials
        self.now: list[int | None] = [None] * self.n_trials
        self.left: dict[int, int] = {}

    def n_rows(self, split: str) -> Tensor:
        return torch.full((self.n_trials,), 100)

    def advance(self, n_steps: int) -> Tensor:
        self.step += n_steps
        for trial in range(self.n_trials):
            if trial not in self.left:
                self.now[trial] = self.step
        loss = 1.0 if self.train_losses is None else self.train_losses[self.step]
        return torch.full((self.n_trials,), loss, dtype=torch.float64)

    def evaluate(self, split: str, trials: Tensor) -> dict[str, Tensor]:
        self.asked.append(split)
        offset = {"valid": 0, "train": 100, "test": 200}[split]
        losses = [self.valid_losses[trial][step] + offset for trial, step in enumerate(self.now)]
        return {"loss": torch.tensor(losses, dtype=torch.float64)}

    def keep_best(self, improved: Tensor) -> None:
        for trial in improved.nonzero().flatten().tolist():
            self.best[trial] = self.now[trial]

    def restore_best(self, trials: Tensor) -> None:
        self.asked.append("restore")
        for trial in trials.nonzero().flatten().tolist():
            if self.best[trial] is not None:
                self.now[trial] = self.best[trial]

    def leave(self, leaving: Tensor) -> None:
        for trial in leaving.nonzero().flatten().tolist():
            self.left.setdefault(trial, self.step)

    def weights(self, trial: int) -> dict[str, Tensor]:
        return {}


def plan(steps=5, validate_every=1, patience=None, test=True):
    return RandomBatchLoop(
        batch_size=10,
        steps=steps,
        validate_every=validate_every,
        patience=patience,
        partition="random",
        test=test,
    )


def run(learner, plans, keep=None):
    checks: list[Check] = []
    stored: list[str] = []
    outcomes: dict[int, Outcome] = {}
    train(
        learner,
        plans,
        record=checks.append,
        keep=keep,
        store=lambda name, place, learner: stored.append(name),
        finish=outcomes.__setitem__,
    )
    return [outcomes[place] for place in range(len(plans))], checks, stored


def test_the_best_model_is_that_of_the_lowest_validation_loss():
    outcomes, _, _ = run(ScriptedLearner([[5.0, 3.0, 4.0, 2.0, 6.0]]), [plan()])
    assert outcomes[0].best_step == 3
    assert outcomes[0].values["valid_loss"] == 2.0
    assert outcomes[0].values["test_loss"] == 202.0
    assert outcomes[0].values["test_loss_last"] == 206.0
    assert outcomes[0].values["train_loss"] == 102.0
    assert outcomes[0].status == "completed"


def test_training_stops_after_patience_validations_without_a_new_lowest_loss():
    losses = [5.0, 3.0, 3.5, 3.2, 1.0, 0.0]
    outcomes, checks, _ = run(ScriptedLearner([losses]), [plan(steps=6, patience=2)])
    assert outcomes[0].status == "stopped_early"
    assert outcomes[0].steps == 4
    assert [int(check.step) for check in checks] == [0, 1, 2, 3]


def test_an_improvement_starts_the_patience_again():
    losses = [5.0, 6.0, 4.0, 6.0, 3.0]
    outcomes, _, _ = run(ScriptedLearner([losses]), [plan(patience=2)])
    assert outcomes[0].status == "completed"


def test_the_test_split_is_read_after_the_last_validation_and_twice_only():
    learner = ScriptedLearner([[3.0, 2.0, 1.0]])
    run(learner, [plan(steps=3)])
    first = learner.asked.index("test")
    assert learner.asked.count("test") == 2
    assert learner.asked[:first] == ["valid"] * 3
    assert learner.asked[first + 1] == "restore"


def test_a_loop_without_test_never_reads_the_test_split():
    learner = ScriptedLearner([[3.0, 2.0]])
    outcomes, _, _ = run(learner, [plan(steps=2, test=False)])
    assert "test" not in learner.asked
    assert "test_loss" not in outcomes[0].values


def test_the_simple_loop_reads_only_the_train_split():
    learner = ScriptedLearner([[3.0] * 4])
    simple = SimpleLoop(batch_size=10, steps=4, record_every=2, partition="in_order")
    outcomes, checks, stored = run(learner, [simple])
    assert learner.asked == ["train"]
    assert stored == ["last"]
    assert [int(check.step) for check in checks] == [0, 2]
    assert outcomes[0].best_step is None


def test_a_validation_loss_that_is_not_finite_ends_the_trial_as_diverged():
    outcomes, checks, _ = run(ScriptedLearner([[5.0, NAN, 1.0]]), [plan(steps=3)])
    assert outcomes[0].status == "diverged"
    assert outcomes[0].steps == 2
    assert outcomes[0].best_step == 0
    assert outcomes[0].values["valid_loss"] == 5.0
    assert math.isnan(outcomes[0].values["test_loss"])
    assert len(checks) == 2


def test_a_training_loss_that_is_not_finite_ends_the_trial_at_the_next_check():
    learner = ScriptedLearner([[5.0, 4.0, 3.0, 2.0]], train_losses=[1.0, INF, INF, 1.0])
    outcomes, _, _ = run(learner, [plan(steps=4)])
    assert outcomes[0].status == "diverged"
    assert outcomes[0].best_step == 0


def test_a_trial_that_diverges_after_its_last_check_is_seen():
    learner = ScriptedLearner([[5.0, 4.0, 3.0]], train_losses=[1.0, 1.0, NAN])
    outcomes, _, _ = run(learner, [plan(steps=3, validate_every=2)])
    assert [outcomes[0].status, outcomes[0].steps] == ["diverged", 3]


def test_the_training_loss_of_a_check_is_the_mean_since_the_check_before():
    class Rising(ScriptedLearner):
        def advance(self, n_steps: int) -> Tensor:
            steps = torch.arange(self.step + 1, self.step + 1 + n_steps, dtype=torch.float64)
            super().advance(n_steps)
            return steps.mean().reshape(1)

    _, checks, _ = run(Rising([[1.0] * 5]), [plan(steps=5, validate_every=2)])
    assert [check.values["train_loss"].item() for check in checks] == [0.0, 1.5, 3.5]


def test_steps_after_the_last_check_are_made():
    learner = ScriptedLearner([[4.0, 3.0, 2.0, 1.0]])
    outcomes, _, _ = run(learner, [plan(steps=4, validate_every=2)])
    assert outcomes[0].steps == 4
    assert outcomes[0].values["test_loss_last"] == 201.0


def test_a_pruned_trial_trains_no_further():
    keep = lambda check: check.step < 1  # noqa: E731  # a rule in one line
    outcomes, _, _ = run(ScriptedLearner([[4.0, 3.0, 2.0]]), [plan(steps=3)], keep)
    assert [outcomes[0].status, outcomes[0].steps] == ["pruned", 2]


def test_trials_of_a_stack_stop_each_on_its_own():
    losses = [[5.0, 6.0, 7.0, 8.0], [5.0, 4.0, 3.0, 2.0], [5.0, NAN, 1.0, 1.0]]
    plans = [plan(steps=4, patience=2), plan(steps=4), plan(steps=4)]
    learner = ScriptedLearner(losses)
    outcomes, checks, _ = run(learner, plans)
    assert [o.status for o in outcomes] == ["stopped_early", "completed", "diverged"]
    assert [o.steps for o in outcomes] == [3, 4, 2]
    assert learner.left == {0: 2, 1: 3, 2: 1}
    assert checks[-1].due.tolist() == [False, True, False]


@pytest.mark.parametrize("trial", [0, 1])
def test_a_trial_in_a_stack_ends_as_it_does_alone(trial):
    losses = [[5.0, 6.0, 4.0, 8.0, 7.0, 6.0], [5.0, 4.0, 4.5, 4.6, 2.0, 1.0]]
    plans = [plan(steps=6, validate_every=2, patience=1), plan(steps=5, patience=2)]
    together, _, _ = run(ScriptedLearner(losses), plans)
    alone, _, _ = run(ScriptedLearner([losses[trial]]), [plans[trial]])
    assert replace(together[trial], share_s=0) == replace(alone[0], share_s=0)


def test_training_ends_when_the_last_trial_leaves_between_checks():
    # The first stops early at its own check; the second ends later without one.
    losses = [[5.0, 6.0] + [6.0] * 20, [5.0] * 22]
    plans = [plan(steps=20, patience=1), plan(steps=6, validate_every=4)]
    learner = ScriptedLearner(losses)
    outcomes, _, _ = run(learner, plans)
    assert [outcome.steps for outcome in outcomes] == [2, 6]
    assert learner.step == 5


def test_a_check_says_which_trials_train_on_and_which_diverged():
    learner = ScriptedLearner([[1.0, 1.0, 1.0], [1.0, INF, INF], [1.0, 1.0, 1.0]])
    _, checks, _ = run(learner, [plan(steps=3), plan(steps=3), plan(steps=2)])
    assert [check.active.tolist() for check in checks] == [
        [True, True, True],
        [True, False, False],
        [False, False, False],
    ]
    assert [check.diverged.tolist() for check in checks] == [
        [False, False, False],
        [False, True, False],
        [False, False, False],
    ]
