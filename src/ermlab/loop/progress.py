"""The state of training between two steps, for K places of which each holds a trial.

A place whose trial has ended may be given another one, which counts its steps from 0 while the
stack's clock goes on. What happens when is decided in `loop.py`.
"""

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ermlab.errors import CheckpointError
from ermlab.loop.check import Check
from ermlab.loop.learner import Learner, Resumable, State
from ermlab.loop.plan import Plan
from ermlab.loop.stopping import count_misses, keep_best

NAN = float("nan")


class Progress:
    """How far each trial is, (K,) each.

    Args:
        learner: K trials.
        plans: the plan of each trial, K of them.
        clock: steps that the stack's clock shows at the start, >= 0.
        n_empty: places at the end that hold no trial yet.
    """

    def __init__(
        self, learner: Learner, plans: Sequence[Plan], *, clock: int = 0, n_empty: int = 0
    ) -> None:
        n_places = len(plans)
        self.learner = learner
        self.clock = clock  # steps made by the stack
        self.plans = list(plans)
        self.active = torch.ones(n_places, dtype=torch.bool)
        self.status = ["completed"] * n_places
        self.best = torch.full((n_places,), float("inf"), dtype=torch.float64)
        self.best_step = torch.full((n_places,), -1)
        self.steps = torch.zeros(n_places, dtype=torch.int64)
        self.share_s = torch.zeros(n_places, dtype=torch.float64)
        self._misses = torch.zeros(n_places, dtype=torch.int64)
        self._loss_sum = torch.zeros(n_places, dtype=torch.float64)
        self._n_summed = torch.zeros(n_places, dtype=torch.int64)
        self._starts = torch.full((n_places,), clock)  # on the stack's clock
        self._n_steps = torch.zeros(n_places, dtype=torch.int64)
        self._patience = torch.zeros(n_places, dtype=torch.int64)
        self._validates = torch.zeros(n_places, dtype=torch.bool)
        self._earlier_s = torch.zeros(n_places, dtype=torch.float64)  # before it was continued
        self._began_s = torch.zeros(n_places, dtype=torch.float64)
        self._checks: list[frozenset[int]] = [frozenset()] * n_places
        self._stops: list[list[int]] = [[]] * n_places  # own steps at which training pauses
        self._n_rows = [0] * n_places
        self._ended: list[int] = []
        for place, plan in enumerate(plans):
            self._set_plan(place, plan)
        if n_empty:
            self.active[-n_empty:] = False
            learner.leave(~self.active)
        self.start_clock()

    def start_clock(self) -> None:
        """Count the seconds of training from now on."""
        self._last_s = time.perf_counter()
        self._began_s[:] = self._last_s

    def enter(self, place: int, plan: Plan) -> None:
        """Let a new trial begin in a place whose trial has ended; the learner has it already."""
        for vector, first in (
            (self.active, True), (self.best, float("inf")), (self.best_step, -1), (self.steps, 0),
            (self.share_s, 0.0), (self._misses, 0), (self._loss_sum, 0.0), (self._n_summed, 0),
            (self._starts, self.clock), (self._earlier_s, 0.0),
            (self._began_s, time.perf_counter()),
        ):  # fmt: skip
            vector[place] = first
        self.status[place], self.plans[place] = "completed", plan
        self._set_plan(place, plan)

    def _set_plan(self, place: int, plan: Plan) -> None:
        n_rows = int(self.learner.n_rows("train")[place])
        checks, n_steps = plan.checks(n_rows), plan.n_steps(n_rows)
        self._n_rows[place] = n_rows
        self._n_steps[place] = n_steps
        self._checks[place] = frozenset(checks)
        self._stops[place] = sorted({*checks, n_steps - 1})
        self._patience[place] = plan.patience or torch.iinfo(torch.int64).max
        self._validates[place] = plan.validates

    @property
    def wall_s(self) -> Tensor:
        """Seconds of training so far, interruptions left out, (K,)."""
        return self._earlier_s + time.perf_counter() - self._began_s

    def next_stop(self) -> int | None:
        """What the clock will show after the next step at which a trial has a check or ends."""
        stops = []
        for place in self.active.nonzero().flatten().tolist():
            start, own = int(self._starts[place]), self._stops[place]
            stops.append(start + own[bisect_left(own, self.clock - start)] + 1)
        return min(stops, default=None)

    def advance_to(self, clock: int) -> Check | None:
        """Train until the clock shows so many steps, and take in what is measured there.

        Returns:
            The check, or None when no trial is due.

        Raises:
            Paused: the learner paused before.
        """
        n_steps = clock - self.clock
        loss = self.learner.advance(n_steps)
        self.clock = clock
        self._share_time()
        self._loss_sum += torch.where(self.active, loss * n_steps, 0)
        self._n_summed += n_steps
        self.steps = torch.where(self.active, clock - self._starts, self.steps)
        is_check = [
            step - 1 in checks
            for step, checks in zip(self.steps.tolist(), self._checks, strict=True)
        ]
        due = self.active & torch.tensor(is_check)
        ends = self.active & (self._n_steps == self.steps)
        # At its own stops only: when a trial ends must not depend on its neighbours' stops.
        diverged = (due | ends) & ~self._loss_sum.isfinite()
        check = self._measure(due | diverged) if (due | diverged).any() else None
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

    def take_ended(self) -> list[int]:
        """The places whose trials have ended since this was last asked for, in order."""
        ended, self._ended = sorted(set(self._ended)), []
        return ended

    def epochs(self) -> Tensor:
        """Passes over the training split made by each trial, (K,)."""
        each = zip(self.plans, self.steps.tolist(), self._n_rows, strict=True)
        epochs = [plan.epochs_of(n_steps, n_rows) for plan, n_steps, n_rows in each]
        return torch.tensor(epochs, dtype=torch.float64)

    def _share_time(self) -> None:
        now = time.perf_counter()
        each = (now - self._last_s) / max(1, int(self.active.sum()))
        self.share_s += torch.where(self.active, each, 0)
        self._last_s = now

    def _measure(self, due: Tensor) -> Check:
        values = {"train_loss": self._loss_sum / self._n_summed}
        self._loss_sum = torch.where(due, 0, self._loss_sum)
        self._n_summed = torch.where(due, 0, self._n_summed)
        if self._validates.any():
            measures = self.learner.evaluate("valid", due)
            values |= {f"valid_{name}": value for name, value in measures.items()}
        return Check(
            clock=self.clock,
            step=self.steps - 1,
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
        for place in leaving.nonzero().flatten().tolist():
            self.status[place] = status
            self._ended.append(place)
        self.active = self.active & ~leaving
        self.learner.leave(leaving)

    def state(self) -> State:
        """Return what training can be continued from: nested tensors and plain values.

        Raises:
            CheckpointError: the learner cannot tell its state.
        """
        assert isinstance(self.learner, Resumable), "asked for a learner that can be continued"
        return {
            "done": self.clock,
            "wall_s": float(self.wall_s[0]),
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
        self.clock, self.status = done, list(state["status"])
        self._earlier_s[:] = wall_s
        self.active, self.best, self.best_step = (state[k] for k in ("active", "best", "best_step"))
        self.steps, self._misses = state["steps"], state["misses"]
        self._loss_sum, self._n_summed = state["loss_sum"], state["n_summed"]
        stop = self.next_stop()
        n_next = 0 if stop is None else stop - done
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
