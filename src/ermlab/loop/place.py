"""One trial in training: its plan, where the stack's clock stops for it, and how far it is."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from ermlab.errors import ConfigError
from ermlab.loop.plan import Plan
from ermlab.loop.stopping import Best


class Place:
    """What holds a trial, whose own steps count from 0 when it enters.

    Args:
        plan: of the trial.
        n_rows: of its train split.
        start: what the clock shows when it enters.
        now_s: when that is [s, of any clock].
        share_s: seconds that each trial of the stack has had until then.
    """

    def __init__(
        self, plan: Plan, n_rows: int, *, start: int, now_s: float, share_s: float
    ) -> None:
        self.plan = plan
        self.n_rows = n_rows
        self.start = start
        self.active = True
        self.status = "completed"
        self.best = Best()
        self.loss_sum = 0.0  # of the batches since the last check
        self._summed_from = start  # what the clock showed then
        self.n_steps = plan.n_steps(n_rows)
        if self.n_steps < 1:
            raise ConfigError(
                f"the loop's plan makes {self.n_steps} steps",
                where="loop",
                fix="let its method n_steps return 1 or more",
            )
        self._checks = frozenset(plan.checks(n_rows))
        self._stops = sorted({*self._checks, self.n_steps - 1})
        self._began_s, self._shared_s = now_s, share_s
        self._ended: tuple[int, float] | None = None  # steps and share of one that has ended
        self.go_on_from(start)

    def go_on_from(self, clock: int) -> None:
        """Find out where the clock stops for this trial next."""
        index = bisect_left(self._stops, clock - self.start)
        self.next_stop = self.start + self._stops[index] + 1 if index < len(self._stops) else -1

    def is_due(self, clock: int) -> bool:
        """Whether it is measured now."""
        return clock - self.start - 1 in self._checks

    def how_it_ends(self, clock: int) -> str | None:
        """The status that it ends with now, or None if it trains on."""
        if clock - self.start == self.n_steps:
            return "completed"
        patience = self.plan.patience
        return "stopped_early" if patience and self.best.misses >= patience else None

    def steps(self, clock: int) -> int:
        """Updates made."""
        return clock - self.start if self._ended is None else self._ended[0]

    def share_s(self, share_s: float) -> float:
        """Seconds of training that are its share, of those that each trial has had so far."""
        return share_s - self._shared_s if self._ended is None else self._ended[1]

    def wall_s(self, now_s: float) -> float:
        """Seconds since it entered."""
        return now_s - self._began_s

    def start_clock(self, now_s: float) -> None:
        """Count its seconds from now on."""
        self._began_s = now_s

    def take_mean(self, clock: int) -> float:
        """Return the mean loss of the batches since the last check, and begin anew."""
        mean = self.loss_sum / (clock - self._summed_from)
        self.loss_sum, self._summed_from = 0.0, clock
        return mean

    def end(self, status: str, clock: int, share_s: float) -> None:
        """End its training."""
        self._ended = self.steps(clock), self.share_s(share_s)
        self.status, self.active = status, False

    def epochs(self, clock: int) -> float:
        """Passes over the train split."""
        return self.plan.epochs_of(self.steps(clock), self.n_rows)

    def numbers(self, clock: int) -> dict[str, int | float | bool]:
        """Tell how far it is, beside its status."""
        return {
            "active": self.active,
            "best": self.best.loss,
            "best_step": self.best.step,
            "misses": self.best.misses,
            "steps": self.steps(clock),
            "loss_sum": self.loss_sum,
            "n_summed": clock - self._summed_from,
        }

    def load(self, numbers: Mapping[str, Any], clock: int) -> None:
        """Take over what `numbers` told when the clock showed the same."""
        self.active = numbers["active"]
        self.best = Best(numbers["best"], numbers["best_step"], numbers["misses"])
        self.start = clock - numbers["steps"]
        self.loss_sum, self._summed_from = numbers["loss_sum"], clock - numbers["n_summed"]
        self.go_on_from(clock)
