"""The reference learner: one module, autograd, an optimizer. Simple enough to check by eye.

Every faster learner is right when it agrees with this one, and for no other reason.
"""

import inspect
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ermlab.data.dataset import Split
from ermlab.loop.batches import IndexArray
from ermlab.loop.learner import Optimizer, Parts

EVALUATION_ROWS = 16384  # own: bounds the memory of a forward pass; small splits go in one


class SingleLearner:
    """One trial: K = 1.

    Args:
        parts: what the trial is made of.
    """

    n_trials = 1

    def __init__(self, parts: Parts) -> None:
        self._module = parts.module
        self._optimizer = parts.optimizer
        self._loss = parts.loss
        self._metrics = parts.metrics
        self._data = parts.data
        self._batches = _batches_on(parts.data.train.x.device, parts.batches)
        self._best: dict[str, Tensor] | None = None
        self._update = self._step_with_closure if _wants_closure(parts.optimizer) else self._step

    def n_rows(self, split: str) -> Tensor:
        """Rows of a split, (1,)."""
        return torch.tensor([self._split(split).n_rows])

    def advance(self, n_steps: int) -> Tensor:
        """Make updates; return the mean loss of their batches, (1,) float64."""
        x, y = self._data.train.x, self._data.train.y
        total = torch.zeros((), dtype=sum_dtype(x.device), device=x.device)
        self._module.train()
        for _ in range(n_steps):
            rows = next(self._batches)  # (B,)
            total += self._update(x.index_select(0, rows), y.index_select(0, rows))
        return (total / n_steps).reshape(1).to("cpu", torch.float64)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        self._optimizer.zero_grad()
        loss = self._loss(self._module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        self._optimizer.step()
        return loss.detach()

    def _step_with_closure(self, x: Tensor, y: Tensor) -> Tensor:
        # LBFGS and its like measure the loss several times in one update.
        losses = []

        def measure() -> Tensor:
            self._optimizer.zero_grad()
            loss = self._loss(self._module(x), y)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
            losses.append(loss.detach())
            return loss

        step: Callable[[Callable[[], Tensor]], object] = self._optimizer.step  # type: ignore[assignment]  # asked for by its signature
        step(measure)
        return losses[0]

    @torch.no_grad()
    def evaluate(self, split: str, trials: Tensor) -> dict[str, Tensor]:
        """Measure the loss and the metrics on a whole split, (1,) float64 each."""
        rows = self._split(split)
        measures: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "loss": self._loss,
            **self._metrics,
        }
        totals = dict.fromkeys(measures, 0.0)
        self._module.eval()
        for start in range(0, rows.n_rows, EVALUATION_ROWS):
            x = rows.x[start : start + EVALUATION_ROWS]
            y = rows.y[start : start + EVALUATION_ROWS]
            prediction = self._module(x)
            for name, measure in measures.items():
                totals[name] += measure(prediction, y).item() * len(x)
        return {
            name: torch.tensor([total / rows.n_rows], dtype=torch.float64)
            for name, total in totals.items()
        }

    def keep_best(self, improved: Tensor) -> None:
        """Remember the present parameters and buffers."""
        if self._best is None:
            self._best = self.weights(0)
            return
        for name, value in self._module.state_dict().items():
            self._best[name].copy_(value)

    def restore_best(self) -> None:
        """Bring back the remembered parameters and buffers, if there are any."""
        if self._best is not None:
            self._module.load_state_dict(self._best)

    def leave(self, leaving: Tensor) -> None:
        """Nothing to do: the loop ends when its only trial leaves."""

    def weights(self, trial: int) -> dict[str, Tensor]:
        """Return copies of the parameters and buffers, by name."""
        return {name: value.clone() for name, value in self._module.state_dict().items()}

    def _split(self, name: str) -> Split:
        split: Split = getattr(self._data, name)
        return split


def sum_dtype(device: torch.device) -> torch.dtype:
    """The widest type that losses can be added up in on a device; mps has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _batches_on(device: torch.device, blocks: Iterator[IndexArray]) -> Iterator[Tensor]:
    for block in blocks:
        yield from torch.from_numpy(block).to(device)  # (S, B), one transfer for S batches


def _wants_closure(optimizer: Optimizer) -> bool:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
