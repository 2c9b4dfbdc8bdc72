"""The learner of K trials as one model: one vector of parameters, one program for all.

It draws the same batches as the reference learner and makes the same updates, in another order of
the same arithmetic. It is right when it agrees with `single.py`, and for no other reason. A trial
that stops leaves the stack, which is then packed anew, so that the others do not pay for it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ermlab.data.dataset import Split
from ermlab.loop.engine import Engine
from ermlab.loop.learner import Parts
from ermlab.loop.packing import Packing, count_runs
from ermlab.loop.single import EVALUATION_ROWS, sum_dtype
from ermlab.loop.stacked_batches import StackedBatches
from ermlab.optimizer.stacked import RuleSpec, StackedRule


class StackedLearner:
    """K trials that run the same program.

    Args:
        parts: of each trial; their modules have parameters of the same number and dimensions.
        specs: the update rule of each trial, of one kind.
        engine: the program.
        one_block: whether unlike models are padded into one block. A GPU waits for each call, so
            that fewer are faster; on the CPU a product of its own costs a model little more than
            its part of a batched one, and only equal models share a block.
    """

    def __init__(
        self, parts: Sequence[Parts], specs: Sequence[RuleSpec], engine: Engine, *, one_block: bool
    ) -> None:
        self._parts = list(parts)
        self._one_block = one_block
        self._engine = engine
        self._batches = StackedBatches(self._parts)
        self._models: list[int] = []  # which trial each packed model is
        self._best: dict[int, list[Tensor]] = {}
        self._ended: dict[int, list[Tensor]] = {}
        values = [[p for _, p in each.module.named_parameters()] for each in self._parts]
        order, self._packing = self._arrange(list(range(len(parts))), values)
        self._params = self._packing.pack([values[row] for row in order])  # (P,)
        self._rule = StackedRule([specs[row] for row in order], self._params)
        self._models = order
        self._bind()

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
        total = torch.zeros(len(self._models), dtype=torch.float64)
        for batch, fetched in self._batches.take(n_steps):
            sums = torch.zeros(len(batch.x), dtype=sum_dtype(device), device=device)  # of each row
            for _ in fetched:
                sums += self._engine.differentiate(batch)
                self._rule.step()
            total += self._batches.sum_by_trial(batch, sums)
        losses = torch.zeros(self.n_trials, dtype=torch.float64)
        losses[self._models] = total / n_steps
        return losses

    @torch.no_grad()
    def evaluate(self, split: str, trials: Tensor) -> dict[str, Tensor]:
        """Measure the loss and the metrics of some trials on a whole split, (K,) float64 each."""
        wanted = trials.nonzero().flatten().tolist()
        names = ["loss", *self._parts[0].metrics]
        found = torch.full((len(names), self.n_trials), float("nan"), dtype=torch.float64)
        if wanted:
            values = torch.stack([self._measure(model, split) for model in wanted], 1)
            found[:, wanted] = values.to("cpu", torch.float64)  # one transfer
        return dict(zip(names, found, strict=True))

    def _measure(self, model: int, split: str) -> Tensor:
        """The loss and the metrics of one trial on a whole split, (1 + metrics,)."""
        parts, data = self._parts[model], _split(self._parts[model], split)
        measures, parameters = [parts.loss, *parts.metrics.values()], self._state(model)
        chunks = []
        for start in range(0, data.n_rows, EVALUATION_ROWS):
            x = data.x[start : start + EVALUATION_ROWS]
            y = data.y[start : start + EVALUATION_ROWS]
            prediction = self._engine.predict(parameters, model, x)
            values = torch.stack([measure(prediction, y) for measure in measures])
            chunks.append(values.to(sum_dtype(x.device)) * (len(x) / data.n_rows))
        return sum(chunks[1:], chunks[0])

    def keep_best(self, improved: Tensor) -> None:
        """Remember the present parameters of the trials in the mask, (K,) bool."""
        for model in improved.nonzero().flatten().tolist():
            self._best[model] = [value.clone() for value in self._state(model)]

    def restore_best(self) -> None:
        """Bring back the remembered parameters of each trial that has some; training is over."""
        self.leave(torch.ones(self.n_trials, dtype=torch.bool))
        self._ended |= self._best

    def leave(self, leaving: Tensor) -> None:
        """Take trials out of the stack, (K,) bool; the others are packed anew."""
        staying = [row for row, model in enumerate(self._models) if not leaving[model]]
        if len(staying) == len(self._models):
            return
        for row, model in enumerate(self._models):
            if leaving[model]:
                self._ended[model] = [value.clone() for value in self._views[row]]
        if not staying:
            self._models = []
            return
        old, vectors = self._packing, [self._params, *self._rule.states]
        values = [[old.parameters(vector, row) for row in staying] for vector in vectors]
        order, self._packing = self._arrange([self._models[row] for row in staying], values[0])
        packed = [self._packing.pack([models[i] for i in order]) for models in values]
        rows = [staying[i] for i in order]
        self._models = [self._models[row] for row in rows]
        self._params, *states = packed
        self._rule.select(rows, states)
        self._bind()

    def _arrange(
        self, models: Sequence[int], values: Sequence[Sequence[Tensor]]
    ) -> tuple[list[int], Packing]:
        """Put models into blocks; return their positions in the order of these, and the packing."""
        shapes = [[tuple(p.shape) for p in model] for model in values]
        keys = [
            () if self._one_block else (*shape, self._batches.size(model))
            for model, shape in zip(models, shapes, strict=True)
        ]
        order = sorted(range(len(models)), key=lambda i: keys[i])
        counts = count_runs([keys[i] for i in order])
        return order, Packing([shapes[i] for i in order], counts)

    def _bind(self) -> None:
        rows = range(len(self._models))
        self._views = [self._packing.parameters(self._params, row) for row in rows]
        grads = torch.zeros_like(self._params)
        self._rule.bind(self._params, grads, self._packing.matrices)
        self._engine.bind(self._packing, self._params, grads, self._models)
        self._batches.lay_out(self._models, self._packing.counts)

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
        """A trial's present parameters: in the stack, or as they were when it left."""
        if model in self._models:
            return self._views[self._models.index(model)]
        return self._ended[model]


def _split(parts: Parts, name: str) -> Split:
    split: Split = getattr(parts.data, name)
    return split
