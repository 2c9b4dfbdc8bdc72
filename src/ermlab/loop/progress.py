"""The state of training between two steps, for K places of which each holds a trial.

A place whose trial has ended may be given another one, which counts its steps from 0 while the
stack's clock goes on. What happens when is decided in `loop.py`.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from math import isfinite

import torch
from torch import Tensor

from ermlab.errors import CheckpointError, ShapeError
from ermlab.loop.check import Check
from ermlab.loop.learner import Learner, Resumable, State
from ermlab.loop.place import Place
from ermlab.loop.plan import Plan

NAN = float("nan")
TENSOR_TYPES = {bool: torch.bool, int: torch.int64, float: torch.float64}


class Progress:
    """How far each trial is.

    Args:
        learner: K trials.
        plans: the plan of each trial, K of them.
        clock: steps that the stack's clock shows at the start, >= 0.
        n_empty: places at the end that hold no trial yet.
    """

    def __init__(
        self, learner: Learner, plans: Sequence[Plan], *, clock: int = 0, n_empty: int = 0
    ) -> None:
        self.learner = learner
        self.clock = clock  # steps made by the stack
        self._share_s = 0.0  # of training, that each trial there has had
        self._earlier_s = 0.0  # of training, before it was continued
        self._ended: list[int] = []  # places, until they are asked for
        self._leaving: list[int] = []  # until the learner is told
        self.places: list[Place] = []
        n_rows = learner.n_rows("train").tolist()
        for plan, count in zip(plans, n_rows, strict=True):
            self.places.append(self._make_place(plan, count))
        if n_empty:
            for place in self.places[-n_empty:]:
                place.active = False
            learner.leave(~self.active)
        self.start_clock()

    def start_clock(self) -> None:
        """Count the seconds of training from now on."""
        self._last_s = time.perf_counter()
        for place in self.places:
            place.start_clock(self._last_s)

    def enter(self, place: int, plan: Plan) -> None:
        """Let a new trial begin in a place whose trial has ended; the learner has it already."""
        n_rows = int(self.learner.n_rows("train")[place])
        self.places[place] = self._make_place(plan, n_rows)

    def _make_place(self, plan: Plan, n_rows: int) -> Place:
        now_s = time.perf_counter()
        return Place(plan, n_rows, start=self.clock, now_s=now_s, share_s=self._share_s)

    @property
    def active(self) -> Tensor:
        """Which trials train, (K,) bool."""
        return torch.tensor([place.active for place in self.places])

    @property
    def wall_s(self) -> list[float]:
        """Seconds of training so far, interruptions left out, K of them."""
        now_s = time.perf_counter() + self._earlier_s
        return [place.wall_s(now_s) for place in self.places]

    def share_s(self, place: int) -> float:
        """Seconds of training, those of the stack divided among the trials that were in it."""
        return self.places[place].share_s(self._share_s)

    def next_stop(self) -> int | None:
        """What the clock will show after the next step at which a trial has a check or ends."""
        return min((place.next_stop for place in self.places if place.active), default=None)

    def advance_to(self, clock: int) -> Check | None:
        """Train until the clock shows so many steps, and take in what is measured there.

        Returns:
            The check, or None when no trial is due.

        Raises:
            Paused: the learner paused before.
        """
        n_steps = clock - self.clock
        losses = self._per_trial(self.learner.advance(n_steps))
        self.clock = clock
        self._share_time()
        stopping = self._add_losses(losses, n_steps)
        # At its own stops only: when a trial ends must not depend on its neighbours' stops.
        diverged = {n for n in stopping if not isfinite(self.places[n].loss_sum)}
        measured = [n for n in stopping if n in diverged or self.places[n].is_due(clock)]
        values = self._measure(measured) if measured else {}
        diverged |= self._take_in(measured, values)
        for number in stopping:
            status = "diverged" if number in diverged else self.places[number].how_it_ends(clock)
            if status is not None:
                self._end(number, status)
        self._leave()
        return self._make_check(measured, values, diverged) if measured else None

    def prune(self, leaving: Tensor) -> None:
        """Take trials out of training, (K,) bool."""
        for number in leaving.nonzero().flatten().tolist():
            if self.places[number].active:
                self._end(number, "pruned")
        self._leave()

    def take_ended(self) -> list[int]:
        """The places whose trials have ended since this was last asked for, in order."""
        ended, self._ended = sorted(self._ended), []
        return ended

    def _share_time(self) -> None:
        now = time.perf_counter()
        self._share_s += (now - self._last_s) / max(1, sum(p.active for p in self.places))
        self._last_s = now

    def _add_losses(self, losses: Sequence[float], n_steps: int) -> list[int]:
        """Add up the losses of steps; return the trials that stop after them."""
        stopping = []
        for number, (place, loss) in enumerate(zip(self.places, losses, strict=True)):
            if place.active:
                place.loss_sum += loss * n_steps
                if place.next_stop == self.clock:
                    stopping.append(number)
                    place.go_on_from(self.clock)
        return stopping

    def _measure(self, measured: Sequence[int]) -> dict[str, list[float]]:
        """Measure some trials: a value for each trial, NaN for the others."""
        means = [NAN] * len(self.places)
        for number in measured:
            means[number] = self.places[number].take_mean(self.clock)
        values = {"train_loss": means}
        if any(place.plan.validates for place in self.places):
            found = self.learner.evaluate("valid", self._mask(measured))
            for name, vector in found.items():
                each, present = [NAN] * len(self.places), self._per_trial(vector)
                for number in measured:
                    each[number] = present[number]
                values[f"valid_{name}"] = each
        return values

    def _take_in(self, measured: Sequence[int], values: Mapping[str, Sequence[float]]) -> set[int]:
        """Keep the best models; return which trials have a validation loss that is not finite."""
        improved, diverged = [], set()
        for number in measured:
            place = self.places[number]
            if not place.plan.validates or not place.is_due(self.clock):
                continue
            loss = values["valid_loss"][number]
            is_healthy = isfinite(values["train_loss"][number]) and isfinite(loss)
            if place.best.take(loss, place.steps(self.clock) - 1, counts=is_healthy):
                improved.append(number)
            if not isfinite(loss):
                diverged.add(number)
        if improved:
            self.learner.keep_best(self._mask(improved))
        return diverged

    def _make_check(
        self,
        measured: Sequence[int],
        values: Mapping[str, Sequence[float]],
        diverged: Collection[int],
    ) -> Check:
        epochs = [NAN] * len(self.places)
        for number in measured:
            epochs[number] = self.places[number].epochs(self.clock)
        return Check(
            step=torch.tensor([place.steps(self.clock) - 1 for place in self.places]),
            due=self._mask(measured),
            epoch=torch.tensor(epochs, dtype=torch.float64),
            values={k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()},
            wall_s=torch.tensor(self.wall_s, dtype=torch.float64),
            active=self.active,
            diverged=self._mask(diverged),
        )

    def _end(self, number: int, status: str) -> None:
        self.places[number].end(status, self.clock, self._share_s)
        self._ended.append(number)
        self._leaving.append(number)

    def _leave(self) -> None:
        if self._leaving:
            self.learner.leave(self._mask(self._leaving))
            self._leaving = []

    def _mask(self, numbers: Collection[int]) -> Tensor:
        """Say of each place whether it is one of these, (K,) bool."""
        mask = [False] * len(self.places)
        for number in numbers:
            mask[number] = True
        return torch.tensor(mask)

    def _per_trial(self, values: Tensor) -> list[float]:
        if values.shape != (len(self.places),):
            raise ShapeError(
                f"values of {len(self.places)} trials have the shape {tuple(values.shape)}",
                where="the learner's measures",
                fix="return one value per trial, (K,), from the learner",
            )
        each: list[float] = values.tolist()
        return each

    def state(self) -> State:
        """Return what training can be continued from: nested tensors and plain values.

        Raises:
            CheckpointError: the learner cannot tell its state.
        """
        assert isinstance(self.learner, Resumable), "asked for a learner that can be continued"
        return {
            "done": self.clock,
            "wall_s": self.wall_s[0],
            "status": [place.status for place in self.places],
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
        n_steps = max(place.n_steps for place in self.places)
        kinds = {name: (tuple(state[name].shape), state[name].dtype) for name in vectors}
        is_whole = (
            type(done) is int
            and 0 <= done < n_steps
            and isinstance(wall_s, float)
            and 0 <= wall_s < float("inf")
            and [type(status) for status in state["status"]] == [str] * len(self.places)
            and kinds == {name: (tuple(v.shape), v.dtype) for name, v in vectors.items()}
        )
        if not is_whole:
            raise CheckpointError(
                f"the saved state is of another training: {done!r} steps in {wall_s!r} s, of "
                f"{n_steps}; {kinds}",
                where="the state of the loop",
                fix="continue with the loop that it was saved with",
            )
        self.clock, self._earlier_s = done, wall_s
        for number, (place, status) in enumerate(zip(self.places, state["status"], strict=True)):
            place.status = status
            place.load({name: state[name][number].item() for name in vectors}, done)
        stop = self.next_stop()
        n_next = 0 if stop is None else stop - done
        self.learner.load_state(state["learner"], n_steps=done, n_next=n_next)

    def _vectors(self) -> dict[str, Tensor]:
        each = [place.numbers(self.clock) for place in self.places]
        kinds = {name: TENSOR_TYPES[type(value)] for name, value in each[0].items()}
        return {
            name: torch.tensor([numbers[name] for numbers in each], dtype=kind)
            for name, kind in kinds.items()
        }
