"""The learner of K trials as one model: one vector of parameters, one program for all.

It draws the same batches as the reference learner and makes the same updates, in another order of
the same arithmetic. It is right when it agrees with `single.py`, and for no other reason. A trial
that stops leaves the stack, and another may take its place; the stack is then packed anew, so that
no trial pays for one that is not there.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ermlab.data.dataset import Split
from ermlab.loop.engine import Engine
from ermlab.loop.learner import Parts
from ermlab.loop.packing import Packing, count_runs
from ermlab.loop.single import EVALUATION_ROWS, sum_dtype
from ermlab.loop.stacked_batches import StackedBatches
from ermlab.optimizer.stacked import StackedRule, find_specs


class StackedLearner:
    """K trials that run the same program.

    Args:
        parts: of each trial; their modules have parameters of the same number and dimensions.
        engine: the program.
        one_block: whether unlike models are padded into one block. A GPU waits for each call, so
            that fewer are faster; on the CPU a product of its own costs a model little more than
            its part of a batched one, and only equal models share a block.

    Raises:
        StackError: an optimizer cannot be stacked, or not with the others.
    """

    def __init__(self, parts: Sequence[Parts], engine: Engine, *, one_block: bool) -> None:
        self._parts = list(parts)
        self._specs = find_specs([each.optimizer for each in parts])
        self._one_block = one_block
        self._engine = engine
        self._batches = StackedBatches(self._parts)
        self._best: dict[int, list[Tensor]] = {}
        # Which trial each packed model is, and the vectors (P,) of parameters and states; a trial
        # that has not begun is in none, and its values are its module's.
        self._models: list[int] = []
        self._views: list[list[Tensor]] = []
        self._packing = Packing([], [])
        self._vectors: list[Tensor] = []
        self._rule = StackedRule(self._specs[0].kind)
        self._apart = dict(enumerate(map(_parameters, parts)))  # of trials that are not packed
        self._staying = set(range(len(parts)))

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
        if self._staying != set(self._models) or self._apart.keys() & self._staying:
            self._pack()
        device = self._vectors[0].device
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

    def restore_best(self, trials: Tensor) -> None:
        """Bring back the remembered parameters of some trials that have left, (K,) bool."""
        for model in trials.nonzero().flatten().tolist():
            if model in self._best:
                self._apart[model] = self._best.pop(model)

    def leave(self, leaving: Tensor) -> None:
        """Take trials out of the stack, (K,) bool; the others are packed anew before a step."""
        for model in leaving.nonzero().flatten().tolist():
            if model in self._staying:
                self._apart[model] = [value.clone() for value in self._state(model)]
                self._staying.remove(model)

    def enter(self, trial: int, parts: Parts) -> None:
        """Let a trial of the same program take the place of one that has left.

        Raises:
            StackError: its optimizer cannot be stacked, or not with those that are there.
        """
        assert trial not in self._staying, "only a free place can be taken"
        neighbour = self._parts[trial - 1].optimizer
        self._specs[trial] = find_specs([neighbour, parts.optimizer])[1]
        self._parts[trial] = parts
        self._best.pop(trial, None)
        self._apart[trial] = _parameters(parts)
        self._batches.replace(trial, parts)
        self._engine.replace(trial, parts.module)
        self._staying.add(trial)

    def _pack(self) -> None:
        """Lay the trials that train into one vector; those that begin come from their modules."""
        if not self._staying:
            self._models, self._views = [], []
            return
        rows = {model: row for row, model in enumerate(self._models)}
        counts = self._rule.n_steps.tolist()
        n_steps = {model: counts[row] for model, row in rows.items()}
        values = {}
        for model in sorted(self._staying):
            if model in self._apart:  # it begins
                first = [value.detach() for value in self._apart.pop(model)]
                zeros = [[torch.zeros_like(v) for v in first] for _ in range(self._rule.n_states)]
                values[model], n_steps[model] = [first, *zeros], 0
            else:
                old, row = self._packing, rows[model]
                values[model] = [old.parameters(vector, row) for vector in self._vectors]
        self._models, self._packing = self._arrange({m: v[0] for m, v in values.items()})
        params, *states = self._vectors = [
            self._packing.pack([values[model][i] for model in self._models])
            for i in range(1 + self._rule.n_states)
        ]
        grads = torch.zeros_like(params)
        self._rule.bind(
            [self._specs[model].numbers for model in self._models],
            [n_steps[model] for model in self._models],
            [params, grads, *states],
            self._packing.matrices,
        )
        self._views = [self._packing.parameters(params, row) for row in range(len(self._models))]
        self._engine.bind(self._packing, params, grads, self._models)
        self._batches.lay_out(self._models, self._packing.counts)

    def _arrange(self, values: Mapping[int, Sequence[Tensor]]) -> tuple[list[int], Packing]:
        """Put models into blocks; return them in the order of these, and the packing."""
        shapes = {model: [tuple(p.shape) for p in each] for model, each in values.items()}
        keys = {
            model: () if self._one_block else (*shape, self._batches.size(model))
            for model, shape in shapes.items()
        }
        order = sorted(values, key=lambda model: keys[model])
        counts = count_runs([keys[model] for model in order])
        return order, Packing([shapes[model] for model in order], counts)

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
        """A trial's present parameters: in the stack, or those of one that is not in it."""
        if model in self._apart:
            return self._apart[model]
        return self._views[self._models.index(model)]


def _parameters(parts: Parts) -> list[Tensor]:
    return [parameter for _, parameter in parts.module.named_parameters()]


def _split(parts: Parts, name: str) -> Split:
    split: Split = getattr(parts.data, name)
    return split
