"""The only training loop: steps, validations, early stopping, best model, and the test pass.

It works on values of shape (K,) and drives a learner (`learner.py`) along one plan per trial
(`plan.py`); how far each is, `progress.py` knows. It knows neither configuration nor files: it is
given callables for these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ermlab.loop.check import Check, Outcome
from ermlab.loop.learner import Learner, Parts, Paused, Refillable, State
from ermlab.loop.plan import Plan
from ermlab.loop.progress import NAN, Progress

Record = Callable[[Check], None]
Keep = Callable[[Check], Tensor]
Store = Callable[[str, int, Learner], None]
Finish = Callable[[int, Outcome], None]
Checkpoint = Callable[[Callable[[], State]], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Entrant:
    """A trial that takes a place: what it is made of, and its plan."""

    parts: Parts
    plan: Plan


class Refill(Protocol):
    """Gives new trials to places whose trials have ended."""

    def next_clock(self) -> int | None:
        """What the stack's clock shows when a trial wants to enter although none ends then."""
        ...

    def take(self, free: Sequence[int], clock: int) -> Sequence[tuple[int, Entrant]]:
        """Return the trials that enter now, with their places, which are some of the free ones."""
        ...


def train(
    learner: Learner,
    plans: Sequence[Plan],
    *,
    record: Record,
    store: Store,
    finish: Finish,
    keep: Keep | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    refill: Refill | None = None,
) -> None:
    """Train the trials of a learner; when one ends, measure its last and its best model.

    Args:
        learner: K trials.
        plans: the plan of each trial, K of them.
        record: called with every check.
        store: called with "last" and then "best", a place, and the learner, in which the trial
            there is in that state.
        finish: called with a place and how its trial ended. A trial that diverged has no measures
            beyond its lowest validation loss; the test split is read after the last validation.
        keep: called with every check; returns which trials train on, (K,) bool; the others are
            pruned. None keeps all.
        checkpoint: called after every check and at a pause with a function that returns the state
            of training, from which it can be continued.
        progress: of this learner and these plans, to continue; None starts at step 0.
        refill: asked for other trials when some have ended; needs a `Refillable` learner.

    Raises:
        Paused: the learner paused.
    """
    progress = Progress(learner, plans) if progress is None else progress
    progress.start_clock()
    while (stop := _next_stop(progress, refill)) is not None:
        try:
            check = progress.advance_to(stop)
        except Paused:
            if checkpoint is not None:
                checkpoint(progress.state)
            raise
        if check is not None:
            record(check)
            if keep is not None:
                progress.prune(check.due & ~keep(check))
        ended = progress.take_ended()
        if ended:
            _finish(progress, ended, store, finish)
        if refill is not None and (ended or refill.next_clock() == progress.clock):
            _enter(progress, refill)
        if check is not None and checkpoint is not None and progress.next_stop() is not None:
            checkpoint(progress.state)


def _next_stop(progress: Progress, refill: Refill | None) -> int | None:
    stop = progress.next_stop()
    wanted = None if refill is None else refill.next_clock()
    return stop if stop is None or wanted is None else min(stop, wanted)


def _enter(progress: Progress, refill: Refill) -> None:
    assert isinstance(progress.learner, Refillable), "asked for a learner that can be refilled"
    free = (~progress.active).nonzero().flatten().tolist()
    for place, entrant in refill.take(free, progress.clock):
        progress.learner.enter(place, entrant.parts)
        progress.enter(place, entrant.plan)


def _finish(progress: Progress, ended: Sequence[int], store: Store, finish: Finish) -> None:
    learner, plans = progress.learner, [progress.places[place].plan for place in ended]
    mask = torch.zeros(len(progress.places), dtype=torch.bool)
    mask[list(ended)] = True
    tests = any(plan.tests for plan in plans)
    measures: dict[str, Tensor] = {}
    for place in ended:
        store("last", place, learner)
    if tests:
        measures |= {f"test_{k}_last": v for k, v in learner.evaluate("test", mask).items()}
    if any(plan.validates for plan in plans):
        learner.restore_best(mask)
        for place in ended:
            store("best", place, learner)
        measures |= {f"valid_{k}": v for k, v in learner.evaluate("valid", mask).items()}
    measures |= {f"train_{k}": v for k, v in learner.evaluate("train", mask).items()}
    if tests:
        measures |= {f"test_{k}": v for k, v in learner.evaluate("test", mask).items()}
    for place in ended:
        values = {name: float(value[place]) for name, value in measures.items()}
        finish(place, _outcome(progress, place, values))


def _outcome(progress: Progress, number: int, values: dict[str, float]) -> Outcome:
    place = progress.places[number]
    if not place.plan.validates:
        values = {k: v for k, v in values.items() if not k.startswith("valid_")}
    if not place.plan.tests:
        values = {k: v for k, v in values.items() if not k.startswith("test_")}
    if place.status == "diverged":
        values = dict.fromkeys(values, NAN)
        if place.plan.validates and place.best.step >= 0:
            values["valid_loss"] = place.best.loss
    return Outcome(
        status=place.status,
        best_step=place.best.step if place.best.step >= 0 else None,
        steps=place.steps(progress.clock),
        epochs=place.epochs(progress.clock),
        values=values,
        share_s=progress.share_s(number),
    )
