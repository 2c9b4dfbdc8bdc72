"""The learner of K trials as one model: parameters (K, P), one program for all.

It draws the same batches as the reference learner and makes the same updates, in another order of
the same arithmetic. It is right when it agrees with `single.py`, and for no other reason. A trial
that stops leaves the stack, which is then packed anew, so that the others do not pay for its width.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ermlab.data.dataset import Split
from ermlab.loop.engine import Engine
from ermlab.loop.learner import Parts
from ermlab.loop.packing import Packing, select_rows
from ermlab.loop.single import EVALUATION_ROWS, sum_dtype
from ermlab.loop.stacked_batches import StackedBatches
from ermlab.optimizer.stacked import RuleSpec, StackedRule


class StackedLearner:
    """K trials that run the same program.

    Args:
        parts: of each trial; their modules have parameters of the same number and dimensions.
        specs: the update rule of each trial, of one kind.
        engine: the program.
    """

    def __init__(self, parts: Sequence[Parts], specs: Sequence[RuleSpec], engine: Engine) -> None:
        self._parts = list(parts)
        self._engine = engine
        self._batches = StackedBatches(self._parts)
        self._models = list(range(len(parts)))  # which trial each row of the matrices is
        values = [[p for _, p in each.module.named_parameters()] for each in self._parts]
        self._packing = Packing([[tuple(p.shape) for p in model] for model in values])
        self._params = self._packing.pack(values)  # (K, P)
        self._grads = torch.zeros_like(self._params)
        self._rule = StackedRule(specs, self._params)
        self._engine.bind(self._packing, self._params, self._grads, self._models)
        self._best: dict[int, list[Tensor]] = {}
        self._ended: dict[int, list[Tensor]] = {}

    @property
    def n_trials(self) -> int:
        """K."""
        return len(self._parts)

    def n_rows(self, split: str) -> Tensor:
        """Rows of a split for each trial, (K,)."""
        return torch.tensor([_split(each, split).n_rows for each in self._parts])

    @torch.no_grad()
    def advance(self, n_steps: int) -> Tensor:
        """Make updates of the trials still in the stack; return their mean losses, (K,) float64."""
        device = self._params.device
        total = torch.zeros(len(self._models), dtype=sum_dtype(device), device=device)
        for x, y, rows in self._batches.take(self._models, n_steps):
            total += self._engine.differentiate(x, y, rows)
            self._rule.step(self._params, self._grads)
        losses = torch.zeros(self.n_trials, dtype=torch.float64)
        losses[self._models] = (total / n_steps).to("cpu", torch.float64)
        return losses

    @torch.no_grad()
    def evaluate(self, split: str, trials: Tensor) -> dict[str, Tensor]:
        """Measure the loss and the metrics of some trials on a whole split, (K,) float64 each."""
        wanted = trials.nonzero().flatten().tolist()
        names = ["loss", *self._parts[0].metrics]
        measures = {
            name: torch.full((self.n_trials,), float("nan"), dtype=torch.float64) for name in names
        }
        for models in _group_by_split(self._parts, wanted, split):
            packing, params = self._present(models)
            data = _split(self._parts[models[0]], split)
            for name, values in self._measure(packing, params, models, data).items():
                measures[name][models] = values
        return measures

    def _present(self, models: Sequence[int]) -> tuple[Packing, Tensor]:
        """The present parameters of some trials: in the stack, or as they were when they left."""
        if all(model in self._models for model in models):
            return self._packing, select_rows(self._params, [self._models.index(m) for m in models])
        values = [self._state(model) for model in models]
        packing = Packing([[tuple(p.shape) for p in model] for model in values])
        return packing, packing.pack(values)

    def _measure(
        self, packing: Packing, params: Tensor, models: Sequence[int], data: Split
    ) -> dict[str, Tensor]:
        loss, metrics = self._parts[models[0]].loss, self._parts[models[0]].metrics
        totals = {
            name: torch.zeros(len(models), dtype=torch.float64) for name in ("loss", *metrics)
        }
        for start in range(0, data.n_rows, EVALUATION_ROWS):
            x = data.x[start : start + EVALUATION_ROWS]
            y = data.y[start : start + EVALUATION_ROWS]
            predictions = self._engine.predict(packing, params, models, x)
            for name, measure in {"loss": loss, **metrics}.items():
                values = torch.stack([measure(prediction, y) for prediction in predictions])
                totals[name] += values.to("cpu", torch.float64) * len(x)
        return {name: total / data.n_rows for name, total in totals.items()}

    def keep_best(self, improved: Tensor) -> None:
        """Remember the present parameters of the trials in the mask, (K,) bool."""
        for model in improved.nonzero().flatten().tolist():
            self._best[model] = self._state(model)

    def restore_best(self) -> None:
        """Bring back the remembered parameters of each trial that has some; training is over."""
        self.leave(torch.ones(self.n_trials, dtype=torch.bool))
        self._ended |= self._best

    def leave(self, leaving: Tensor) -> None:
        """Take trials out of the stack, (K,) bool; the others are packed anew."""
        staying = [row for row, model in enumerate(self._models) if not leaving[model]]
        if len(staying) == len(self._models):
            return
        for model in self._models:
            if leaving[model]:
                self._ended[model] = self._state(model)
        if not staying:
            self._models = []
            return
        old, matrices = self._packing, [self._params, *self._rule.states]
        values = [[old.unpack(matrix, row) for row in staying] for matrix in matrices]
        self._packing = Packing([[tuple(p.shape) for p in model] for model in values[0]])
        self._params, *states = [self._packing.pack(models) for models in values]
        self._grads = torch.zeros_like(self._params)
        self._rule.select(staying, states)
        self._models = [self._models[row] for row in staying]
        self._engine.bind(self._packing, self._params, self._grads, self._models)

    def weights(self, trial: int) -> dict[str, Tensor]:
        """Return copies of the parameters and buffers of a trial, by name."""
        module = self._parts[trial].module
        names = [name for name, _ in module.named_parameters()]
        present = dict(zip(names, self._state(trial), strict=True))
        return {
            name: present.get(name, value).detach().clone()
            for name, value in module.state_dict().items()
        }

    def _state(self, model: int) -> list[Tensor]:
        """Copy a trial's present parameters, without padding."""
        if model in self._models:
            return self._packing.unpack(self._params, self._models.index(model))
        return self._ended[model]


def _split(parts: Parts, name: str) -> Split:
    split: Split = getattr(parts.data, name)
    return split


def _group_by_split(
    parts: Sequence[Parts], models: Sequence[int], split: str
) -> Iterator[list[int]]:
    groups: dict[int, list[int]] = {}
    for model in models:
        groups.setdefault(id(_split(parts[model], split)), []).append(model)
    yield from groups.values()
