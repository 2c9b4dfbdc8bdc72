"""The learner of K trials that are trained by the compiled library, many steps in one call.

Nothing is shared but the call: each trial has its own width and batch size, and its numbers do not
depend on the others. It is right when it agrees with `single.py`, and for no other reason.
"""

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ermlab.errors import StackError, TrialError
from ermlab.loop.compiled_model import CompiledModel, Program, join_structs
from ermlab.loop.learner import Parts
from ermlab.native.library import Model
from ermlab.optimizer.stacked import find_specs

MOST_STEPS = 256  # own: of a call, whose cost hardly shows then
MOST_PRODUCTS = 2 * 10**9  # own: of a call, some tenths of a second, as an interrupt waits for it
NAMES = {torch.float32: "f32", torch.float64: "f64"}


class CompiledLearner:
    """K trials that run the same program.

    Args:
        parts: of each trial.
        program: what they compute.
        library: the compiled one.
        describe: says what a trial computes; None where the library cannot train it.

    Raises:
        StackError: an optimizer cannot be stacked, or not with the others.
    """

    def __init__(
        self,
        parts: Sequence[Parts],
        program: Program,
        library: ctypes.CDLL,
        describe: Callable[[Parts], Program | None],
    ) -> None:
        self._describe = describe
        self._train = getattr(library, f"ermlab_train_{program.dtype}")
        self._measure = getattr(library, f"ermlab_measure_{program.dtype}")
        self._program = program
        specs = find_specs([each.optimizer for each in parts])
        self._models = [
            CompiledModel(each, program, spec) for each, spec in zip(parts, specs, strict=True)
        ]
        self._staying = set(range(len(parts)))
        self._order: list[int] = []  # of those that stay, in the array
        self._array: ctypes.Array[Model] | None = None

    @property
    def n_trials(self) -> int:
        """K."""
        return len(self._models)

    def n_rows(self, split: str) -> Tensor:
        """Rows of a split for each trial, (K,)."""
        return torch.tensor([model.rows_of(split).n for model in self._models])

    def advance(self, n_steps: int) -> Tensor:
        """Make updates of the trials still in the stack; return their mean losses, (K,) float64."""
        if self._array is None:
            self._order = sorted(self._staying)
            self._array = join_structs([self._models[trial] for trial in self._order])
        sums, losses = np.zeros((2, self.n_trials))
        left = n_steps
        while left:
            n_products = sum(self._models[trial].n_products for trial in self._order)
            n_now = max(1, min(left, MOST_STEPS, MOST_PRODUCTS // max(1, n_products)))
            left -= n_now
            for trial in self._order:
                self._models[trial].draw(n_now)
            if self._train(self._array, len(self._order), n_now, sums.ctypes.data):
                raise _no_memory("the batches of a stack")
            losses[self._order] += sums[: len(self._order)]
        return torch.from_numpy(losses / n_steps)

    @torch.no_grad()
    def evaluate(self, split: str, trials: Tensor) -> dict[str, Tensor]:
        """Measure the loss and the metrics of some trials on a whole split, (K,) float64 each."""
        names = ["loss", *self._models[0].parts.metrics]
        found = np.full((len(names), self.n_trials), np.nan)
        for trial in trials.nonzero().flatten().tolist():
            model = self._models[trial]
            rows, metrics = model.rows_of(split), model.parts.metrics
            # Predictions (Q, m), if somebody reads them.
            result = rows.x.new_empty(rows.n, model.n_outputs) if metrics else None
            at = None if result is None else result.data_ptr()
            loss = found.ctypes.data + trial * found.itemsize
            if self._measure(model.struct, rows.x_at, rows.n, at, rows.y_at, loss):
                raise _no_memory("the predictions of a model")
            for place, metric in enumerate(metrics.values()):
                found[1 + place, trial] = metric(result, rows.y)
        return dict(zip(names, torch.from_numpy(found), strict=True))

    def keep_best(self, improved: Tensor) -> None:
        """Remember the present parameters of the trials in the mask, (K,) bool."""
        for trial in improved.nonzero().flatten().tolist():
            self._models[trial].keep_best()

    def restore_best(self, trials: Tensor) -> None:
        """Bring back the remembered parameters of some trials that have left, (K,) bool."""
        for trial in trials.nonzero().flatten().tolist():
            self._models[trial].restore_best()

    def leave(self, leaving: Tensor) -> None:
        """Take trials out of the stack, (K,) bool."""
        self._staying -= set(leaving.nonzero().flatten().tolist())
        self._array = None

    def enter(self, trial: int, parts: Parts) -> None:
        """Let a trial of the same program take the place of one that has left.

        Raises:
            StackError: its optimizer cannot be stacked, or not with those that are there; or it
                runs another program.
        """
        assert trial not in self._staying, "only a free place can be taken"
        if self._describe(parts) != self._program:
            raise StackError(
                "a trial cannot enter the stack: it does not run the same program",
                where="model, data and loss",
                fix="give it a stack of its own",
            )
        neighbour = self._models[trial - 1].parts.optimizer
        spec = find_specs([neighbour, parts.optimizer])[1]
        self._models[trial] = CompiledModel(parts, self._program, spec)
        self._staying.add(trial)
        self._array = None

    def weights(self, trial: int) -> dict[str, Tensor]:
        """Return copies of the parameters and buffers of a trial, by name."""
        model = self._models[trial]
        module = model.parts.module
        names = [name for name, _ in module.named_parameters()]
        present = dict(zip(names, model.parameters, strict=True))
        return {
            name: present.get(name, value).detach().clone(memory_format=torch.contiguous_format)
            for name, value in module.state_dict().items()
        }


def _no_memory(what: str) -> TrialError:
    return TrialError(
        f"the machine is out of memory: there is none for {what}",
        where="loop.batch_size and the widths of the model",
        fix="make them smaller, or train in fewer processes (hydra.launcher.n_jobs)",
    )
