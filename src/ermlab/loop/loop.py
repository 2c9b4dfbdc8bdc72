"""The only training loop: steps, validations, early stopping, best model, and the test pass.

It works on values of shape (K,) and drives a learner (`learner.py`) along one plan per trial
(`plan.py`). It knows neither configuration nor files: it is given callables for these.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ermlab.errors import CheckpointError
from ermlab.loop.learner import Learner, Paused, Resumable, State
from ermlab.loop.plan import Plan
from ermlab.loop.stopping import count_misses, keep_best

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is measured right after a step.

    Args:
        step: the step, counted from 0.
        due: which trials are measured now, (K,) bool; the values of the others are NaN.
        epoch: passes over the training split so far, (K,).
        values: "train_loss" (mean over the batches since the last check, each before its update),
            "valid_loss" and "valid_<metric>" where the plan validates, (K,) [loss].
        wall_s: seconds since training began.
        active: which trials train on, (K,) bool.
        diverged: which trials this check ended as diverged, (K,) bool.
    """

    step: int
    due: Tensor
    epoch: Tensor
    values: Mapping[str, Tensor]
    wall_s: float
    active: Tensor
    diverged: Tensor


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one trial ended: status, counts, and its losses by column name."""

    status: str
    best_step: int | None
    steps: int
    epochs: float
    values: Mapping[str, float]


Record = Callable[[Check], None]
Keep = Callable[[Check], Tensor]
Store = Callable[[str, Learner], None]
Checkpoint = Callable[[Callable[[], State]], None]


def train(
    learner: Learner,
    plans: Sequence[Plan],
    *,
    record: Record,
    keep: Keep | None,
    store: Store,
    checkpoint: Checkpoint | None = None,
    progress: "Progress | None" = None,
) -> list[Outcome]:
    """Train the trials of a learner, then measure the best and the last model of each.

    Args:
        learner: K trials.
        plans: the plan of each trial, K of them.
        record: called with every check.
        keep: called with every check; returns which trials train on, (K,) bool; the others are
            pruned. None keeps all.
        store: called with "last" and then "best" while the learner is in that state.
        checkpoint: called after every check and at a pause with a function that returns the state
            of training, from which it can be continued.
        progress: of this learner and these plans, to continue; None starts at step 0.

    Returns:
        The outcome of each trial. A trial that diverged has no measures beyond its lowest
        validation loss; the test split is read after the last validation, and by no other.

    Raises:
        Paused: the learner paused.
    """
    progress = Progress(learner, plans) if progress is None else progress
    progress.start_clock()
    for step in progress.stops():
        try:
            check = progress.advance_to(step)
        except Paused:
            if checkpoint is not None:
                checkpoint(progress.state)
            raise
        if check is not None:
            record(check)
            if keep is not None:
                progress.prune(check.due & ~keep(check))
        if not progress.active.any():
            break
        if check is not None and checkpoint is not None:
            checkpoint(progress.state)
    return _measure(learner, plans, progress, store)


class Progress:
    """The state of training between two checks, (K,) each.

    Args:
        learner: K trials.
        plans: the plan of each trial, K of them.
    """

    def __init__(self, learner: Learner, plans: Sequence[Plan]) -> None:
        n_rows = learner.n_rows("train").tolist()
        self.learner = learner
        self.active = torch.ones(len(plans), dtype=torch.bool)
        self.status = ["completed"] * len(plans)
        self.best = torch.full((len(plans),), float("inf"), dtype=torch.float64)
        self.best_step = torch.full((len(plans),), -1)
        self.steps = torch.zeros(len(plans), dtype=torch.int64)
        self._misses = torch.zeros(len(plans), dtype=torch.int64)
        self._n_steps = torch.tensor(
            [plan.n_steps(n) for plan, n in zip(plans, n_rows, strict=True)]
        )
        self._checks = [frozenset(plan.checks(n)) for plan, n in zip(plans, n_rows, strict=True)]
        self._plans = list(zip(plans, n_rows, strict=True))
        self._patience = torch.tensor(
            [plan.patience or torch.iinfo(torch.int64).max for plan in plans]
        )
        self._validates = torch.tensor([plan.validates for plan in plans])
        self._loss_sum = torch.zeros(len(plans), dtype=torch.float64)
        self._n_summed = torch.zeros(len(plans), dtype=torch.int64)
        self._done = 0  # steps made by the stack
        self._earlier_s = 0.0  # of training before it was continued
        self._began = time.perf_counter()

    def start_clock(self) -> None:
        """Count the seconds of training from now on."""
        self._began = time.perf_counter()

    @property
    def wall_s(self) -> float:
        """Seconds of training so far, interruptions left out."""
        return self._earlier_s + time.perf_counter() - self._began

    def stops(self) -> list[int]:
        """The steps at which training pauses: some trial's check or last step, not yet made."""
        last = (self._n_steps - 1).tolist()
        return sorted(stop for stop in set(last).union(*self._checks) if stop >= self._done)

    def state(self) -> State:
        """Return what training can be continued from: nested tensors and plain values.

        Raises:
            CheckpointError: the learner cannot tell its state.
        """
        assert isinstance(self.learner, Resumable), "asked for a learner that can be continued"
        return {
            "done": self._done,
            "wall_s": self.wall_s,
            "status": list(self.status),
            **self._vectors(),
            "learner": self.learner.state(),
        }

    def load_state(self, state: State) -> None:
        """Go on from a state of training of the same trials, before a call of `train`.

        Args:
            state: what `state` returned.

        Raises:
            CheckpointError: it is of other trials.
        """
        assert isinstance(self.learner, Resumable), "asked for a learner that can be continued"
        done, wall_s, vectors = state["done"], state["wall_s"], self._vectors()
        kinds = {name: (tuple(state[name].shape), state[name].dtype) for name in vectors}
        is_whole = (
            type(done) is int
            and 0 <= done < int(self._n_steps.max())
            and isinstance(wall_s, float)
            and 0 <= wall_s < float("inf")
            and [type(status) for status in state["status"]] == [str] * len(self.status)
            and kinds == {name: (tuple(v.shape), v.dtype) for name, v in vectors.items()}
        )
        if not is_whole:
            raise CheckpointError(
                f"the saved state is of another training: {done!r} steps in {wall_s!r} s, of "
                f"{int(self._n_steps.max())}; {kinds}",
                where="the state of the loop",
                fix="continue with the loop that it was saved with",
            )
        self._done, self._earlier_s, self.status = done, wall_s, list(state["status"])
        self.active, self.best, self.best_step = (state[k] for k in ("active", "best", "best_step"))
        self.steps, self._misses = state["steps"], state["misses"]
        self._loss_sum, self._n_summed = state["loss_sum"], state["n_summed"]
        n_next = self.stops()[0] + 1 - done
        self.learner.load_state(state["learner"], n_steps=done, n_next=n_next)

    def _vectors(self) -> dict[str, Tensor]:
        return {
            "active": self.active,
            "best": self.best,
            "best_step": self.best_step,
            "steps": self.steps,
            "misses": self._misses,
            "loss_sum": self._loss_sum,
            "n_summed": self._n_summed,
        }

    def advance_to(self, step: int) -> Check | None:
        """Train up to and including a step and take in what is measured there.

        Returns:
            The check, or None when no trial is due at this step.
        """
        n_steps = step + 1 - self._done
        loss = self.learner.advance(n_steps)
        self._done = step + 1
        self._loss_sum += torch.where(self.active, loss * n_steps, 0)
        self._n_summed += n_steps
        self.steps = torch.where(self.active, self._done, self.steps)
        due = self.active & torch.tensor([step in checks for checks in self._checks])
        ends = self.active & (self._n_steps == self._done)
        # At its own stops only: when a trial ends must not depend on its neighbours' stops.
        diverged = (due | ends) & ~self._loss_sum.isfinite()
        check = self._measure(step, due | diverged) if (due | diverged).any() else None
        if check is not None:
            diverged |= self._take_in(check)
        stopped = (self._misses >= self._patience) & ~diverged & ~ends
        self._end(ends, "completed")
        self._end(stopped & self.active, "stopped_early")
        self._end(diverged, "diverged")
        return None if check is None else replace(check, active=self.active, diverged=diverged)

    def prune(self, leaving: Tensor) -> None:
        """Take trials out of training, (K,) bool."""
        self._end(leaving & self.active, "pruned")

    def epochs(self) -> Tensor:
        """Passes over the training split made by each trial, (K,)."""
        done = zip(self._plans, self.steps.tolist(), strict=True)
        epochs = [plan.epochs_of(n_steps, n_rows) for (plan, n_rows), n_steps in done]
        return torch.tensor(epochs, dtype=torch.float64)

    def _measure(self, step: int, due: Tensor) -> Check:
        values = {"train_loss": self._loss_sum / self._n_summed}
        self._loss_sum = torch.where(due, 0, self._loss_sum)
        self._n_summed = torch.where(due, 0, self._n_summed)
        if self._validates.any():
            measures = self.learner.evaluate("valid", due)
            values |= {f"valid_{name}": value for name, value in measures.items()}
        return Check(
            step=step,
            due=due,
            epoch=self.epochs(),
            values={name: torch.where(due, value, NAN) for name, value in values.items()},
            wall_s=self.wall_s,
            active=self.active,
            diverged=torch.zeros_like(due),
        )

    def _take_in(self, check: Check) -> Tensor:
        """Keep the best models; return which trials have a validation loss that is not finite."""
        validated = check.due & self._validates
        if not validated.any():
            return torch.zeros_like(check.due)
        loss = check.values["valid_loss"]
        healthy = validated & check.values["train_loss"].isfinite() & loss.isfinite()
        self.best, improved = keep_best(self.best, loss, healthy)
        self.best_step = torch.where(improved, check.step, self.best_step)
        self._misses = count_misses(self._misses, improved, validated)
        if improved.any():
            self.learner.keep_best(improved)
        return validated & ~loss.isfinite()

    def _end(self, leaving: Tensor, status: str) -> None:
        if not leaving.any():
            return
        for trial in leaving.nonzero().flatten().tolist():
            self.status[trial] = status
        self.active = self.active & ~leaving
        self.learner.leave(leaving)


def _measure(
    learner: Learner, plans: Sequence[Plan], progress: Progress, store: Store
) -> list[Outcome]:
    tests = any(plan.tests for plan in plans)
    measures: dict[str, Tensor] = {}
    every = torch.ones(len(plans), dtype=torch.bool)
    store("last", learner)
    if tests:
        measures |= {f"test_{k}_last": v for k, v in learner.evaluate("test", every).items()}
    if any(plan.validates for plan in plans):
        learner.restore_best()
        store("best", learner)
        measures |= {f"valid_{k}": v for k, v in learner.evaluate("valid", every).items()}
    measures |= {f"train_{k}": v for k, v in learner.evaluate("train", every).items()}
    if tests:
        measures |= {f"test_{k}": v for k, v in learner.evaluate("test", every).items()}
    return [_outcome(k, plan, progress, measures) for k, plan in enumerate(plans)]


def _outcome(trial: int, plan: Plan, progress: Progress, measures: Mapping[str, Tensor]) -> Outcome:
    best_step = int(progress.best_step[trial])
    values = {name: float(value[trial]) for name, value in measures.items()}
    if not plan.validates:
        values = {k: v for k, v in values.items() if not k.startswith("valid_")}
    if not plan.tests:
        values = {k: v for k, v in values.items() if not k.startswith("test_")}
    if progress.status[trial] == "diverged":
        values = dict.fromkeys(values, NAN)
        if plan.validates and best_step >= 0:
            values["valid_loss"] = float(progress.best[trial])
    return Outcome(
        status=progress.status[trial],
        best_step=best_step if best_step >= 0 else None,
        steps=int(progress.steps[trial]),
        epochs=float(progress.epochs()[trial]),
        values=values,
    )
