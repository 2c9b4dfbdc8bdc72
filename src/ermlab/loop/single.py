"""The reference learner: one module, autograd, an optimizer. Simple enough to check by eye.

Every faster learner is right when it agrees with this one, and for no other reason.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

import torch
from torch import Tensor

from ermlab.data.dataset import Split
from ermlab.errors import CheckpointError
from ermlab.loop.batches import IndexArray
from ermlab.loop.generators import generator_states, restore_generators
from ermlab.loop.learner import Optimizer, Parts, Paused, State

EVALUATION_ROWS = 16384  # own: bounds the memory of a forward pass; small splits go in one


class SingleLearner:
    """One trial: K = 1.

    Args:
        parts: what the trial is made of.
        pause: asked before each step; says whether training shall pause there.
    """

    n_trials = 1

    def __init__(self, parts: Parts, pause: Callable[[], bool] = lambda: False) -> None:
        self._pause = pause
        self._module = parts.module
        self._optimizer = parts.optimizer
        self._loss = parts.loss
        self._metrics = parts.metrics
        self._data = parts.data
        self._device = parts.data.train.x.device
        self._blocks = parts.batches
        self._batches = _batches_on(self._device, self._blocks)
        self._total = torch.zeros((), dtype=sum_dtype(self._device), device=self._device)
        self._n_summed = 0  # steps whose losses are in the total: those of an advance that paused
        self._best: dict[str, Tensor] | None = None
        self._update = self._step_with_closure if _wants_closure(parts.optimizer) else self._step

    def n_rows(self, split: str) -> Tensor:
        """Rows of a split, (1,)."""
        return torch.tensor([self._split(split).n_rows])

    def advance(self, n_steps: int) -> Tensor:
        """Make updates; return the mean loss of their batches, (1,) float64.

        Raises:
            Paused: asked to, between two steps; another call makes the remaining ones.
        """
        x, y = self._data.train.x, self._data.train.y
        self._module.train()
        while self._n_summed < n_steps:
            if self._pause():
                raise Paused
            rows = next(self._batches)  # (B,)
            self._total += self._update(x.index_select(0, rows), y.index_select(0, rows))
            self._n_summed += 1
        mean = (self._total / n_steps).reshape(1).to("cpu", torch.float64)
        self._total.zero_()
        self._n_summed = 0
        return mean

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

    def restore_best(self, trials: Tensor) -> None:
        """Bring back the remembered parameters and buffers, if there are any."""
        if self._best is not None:
            self._module.load_state_dict(self._best)

    def leave(self, leaving: Tensor) -> None:
        """Nothing to do: the loop ends when its only trial leaves."""

    def weights(self, trial: int) -> dict[str, Tensor]:
        """Return copies of the parameters and buffers, by name."""
        return {name: value.clone() for name, value in self._module.state_dict().items()}

    def state(self) -> State:
        """Return everything that the next step depends on (see `Resumable`).

        What a module keeps in plain attributes, beside its parameters and buffers, is not in it.

        Raises:
            CheckpointError: the optimizer cannot tell its state.
        """
        save = getattr(self._optimizer, "state_dict", None)
        if save is None or not hasattr(self._optimizer, "load_state_dict"):
            raise CheckpointError(
                f"{type(self._optimizer).__name__} cannot tell its state",
                where="optimizer._target_",
                fix="give it the methods state_dict and load_state_dict, as in torch.optim",
            )
        return {
            "module": self._tensors(),
            "best": self._best,
            "optimizer": save(),
            "total": self._total,
            "n_summed": self._n_summed,
            "generators": generator_states(self._device),
        }

    def load_state(self, state: State, *, n_steps: int, n_next: int) -> None:
        """Go on where another learner was (see `Resumable`)."""
        n_summed = state["n_summed"]
        if type(n_summed) is not int or not 0 <= n_summed <= n_next:
            raise _misfit(f"{n_summed!r} steps since the last check, of {n_next}")
        _copy(state["module"], self._tensors())
        if state["best"] is not None:
            best = self.weights(0)
            _copy(state["best"], best)
            self._best = best
        self._optimizer.load_state_dict(state["optimizer"])  # type: ignore[attr-defined]  # `state` asked for it
        _copy({"total": state["total"]}, {"total": self._total})
        self._n_summed = n_summed
        self._batches = _batches_on(self._device, _skip(self._blocks, n_steps + n_summed))
        restore_generators(state["generators"], self._device)  # last: a plan may draw from them

    def _tensors(self) -> dict[str, Tensor]:
        # A state_dict leaves out the buffers that are not saved with the weights.
        buffers = dict(self._module.named_buffers(remove_duplicate=False))
        return buffers | self._module.state_dict()

    def _split(self, name: str) -> Split:
        split: Split = getattr(self._data, name)
        return split


def sum_dtype(device: torch.device) -> torch.dtype:
    """The widest type that losses can be added up in on a device; mps has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _batches_on(device: torch.device, blocks: Iterator[IndexArray]) -> Iterator[Tensor]:
    for block in blocks:
        yield from torch.from_numpy(block).to(device)  # (S, B), one transfer for S batches


def _skip(blocks: Iterator[IndexArray], n_batches: int) -> Iterator[IndexArray]:
    """Draw batches and leave them out, so that the next one is what it would be after them."""
    while n_batches > 0:
        block = next(blocks)  # (S, B)
        if len(block) > n_batches:
            blocks = chain([block[n_batches:]], blocks)
        n_batches -= min(n_batches, len(block))
    return blocks


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    """Copy tensors into those of the same names, shapes and types."""
    kinds, wanted = (
        {name: (tuple(value.shape), value.dtype) for name, value in each.items()}
        for each in (values, targets)
    )
    for name in sorted(kinds.keys() | wanted.keys()):
        if kinds.get(name) != wanted.get(name):
            raise _misfit(f"{name} is {kinds.get(name)}, not {wanted.get(name)}")
    for name, target in targets.items():
        target.copy_(values[name])


def _misfit(what: str) -> CheckpointError:
    return CheckpointError(
        f"the saved state does not fit: {what}",
        where="the state of the learner",
        fix="continue with the model, data and loop that it was saved with",
    )


def _wants_closure(optimizer: Optimizer) -> bool:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
