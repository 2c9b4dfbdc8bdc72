"""One trial of a compiled stack: its memory, laid out as the compiled library reads it.

Rows are padded to whole lines of the cache, with zeros that no result depends on.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ermlab.data.dataset import Split
from ermlab.errors import StackError
from ermlab.loop.batches import IndexArray
from ermlab.loop.drawn import Drawn
from ermlab.loop.learner import Parts
from ermlab.native.library import ACTIVATIONS, LINE_BYTES, LOSSES, RULES, Model
from ermlab.optimizer.stacked import RuleSpec

FEWEST_AHEAD = 32  # own: batches drawn at a time, so that a step of a short epoch costs little
CONFLICT_LINES = 8  # a matrix whose rows are so many lines apart finds few places in the cache


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the trials of a compiled stack have in common.

    Args:
        biases: whether each layer has a bias, first to last.
        activations: of each layer, names of `ermlab.native.library.ACTIVATIONS`.
        loss: a name of `ermlab.native.library.LOSSES`.
        averages: whether squared_error is the mean over the outputs, not the sum.
        label_smoothing: of cross_entropy, in [0, 1).
        dtype: of the numbers, a value of `ermlab.loop.compiled.NAMES`.
    """

    biases: Sequence[bool]
    activations: Sequence[str]
    loss: str
    averages: bool
    label_smoothing: float
    dtype: str


class CompiledModel:
    """The parameters, the state of the optimizer and the batches of one trial.

    Args:
        parts: of the trial; its parameters come in the order weight (n, m), bias (m,).
        program: what it computes.
        spec: its update.
    """

    def __init__(self, parts: Parts, program: Program, spec: RuleSpec) -> None:
        self.parts = parts
        self._x, self._y = (each.contiguous() for each in (parts.data.train.x, parts.data.train.y))
        first = [parameter.detach() for _, parameter in parts.module.named_parameters()]
        self._layout = _Layout(first, program.biases)
        self._drawn = Drawn(parts.batches)
        self._vectors = first[0].new_zeros(3, self._layout.n_numbers)  # parameters, two states
        self._params = self._vectors[0]
        self._best: Tensor | None = None
        self._splits: dict[str, _Rows] = {}
        self.parameters = self._layout.view(self._params)
        for target, value in zip(self.parameters, first, strict=True):
            target.copy_(value)
        self._codes = np.array([ACTIVATIONS[name] for name in program.activations])
        self._sizes: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # of the batches drawn
        self._rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # and their row numbers
        self._largest = 0  # B of them at most
        self._n_ahead = 0  # batches of these that the library has not taken
        self.struct = self._describe(program, spec)

    def rows_of(self, split: str) -> "_Rows":
        """The rows of a split, where the library finds them."""
        if split not in self._splits:
            self._splits[split] = _Rows(getattr(self.parts.data, split))
        return self._splits[split]

    @property
    def n_products(self) -> int:
        """Products of a step: of the parameters, padding included, with each row of a batch."""
        if not self._largest:  # nothing is drawn yet
            self._drawn.n_ahead()
            self._largest = self._drawn.size
        return self._layout.n_numbers * self._largest

    @property
    def n_outputs(self) -> int:
        """m, numbers in a prediction."""
        return int(self._layout.widths[-1])

    def draw(self, n_steps: int) -> None:
        """Show the library at least the next batches, of which it takes so many."""
        if self._n_ahead < n_steps:
            self._draw_ahead(n_steps)
        self._n_ahead -= n_steps

    def _draw_ahead(self, n_steps: int) -> None:
        used = len(self._sizes) - self._n_ahead
        sizes, rows = [self._sizes[used:]], [self._rows[self._sizes[:used].sum() :]]
        while self._n_ahead < max(n_steps, FEWEST_AHEAD):
            try:
                n_block = self._drawn.n_ahead()
            except StopIteration:  # a plan may end after its last step
                if self._n_ahead < n_steps:
                    raise
                break
            block = _checked(self._drawn.take(n_block), len(self._x))
            sizes.append(np.full(n_block, block.shape[1]))
            rows.append(block.ravel())
            self._n_ahead += n_block
        self._sizes, self._rows = np.concatenate(sizes), np.concatenate(rows)
        self._largest = int(self._sizes.max())
        self.struct.sizes, self.struct.rows = self._sizes.ctypes.data, self._rows.ctypes.data

    def keep_best(self) -> None:
        """Remember the present parameters."""
        if self._best is None:
            self._best = self._params.clone()
        else:
            self._best.copy_(self._params)

    def restore_best(self) -> None:
        """Bring back the remembered parameters, if there are any."""
        if self._best is not None:
            self._params.copy_(self._best)

    def _describe(self, program: Program, spec: RuleSpec) -> Model:
        layout, numbers = self._layout, spec.numbers
        params, means, squares = (vector.data_ptr() for vector in self._vectors)
        return Model(
            n_layers=len(program.biases),
            widths=layout.widths.ctypes.data,
            strides=layout.strides.ctypes.data,
            weights=layout.weights.ctypes.data,
            biases=layout.biases.ctypes.data,
            activations=self._codes.ctypes.data,
            n_numbers=layout.n_numbers,
            params=params,
            means=means,
            squares=squares,
            loss=LOSSES[program.loss],
            scale=1 / layout.widths[-1] if program.averages else 1.0,
            smoothing=program.label_smoothing,
            x=self._x.data_ptr(),
            y=self._y.data_ptr(),
            rule=RULES[spec.kind],
            nesterov=bool(numbers.get("nesterov", False)),
            **{name: float(value) for name, value in numbers.items() if name != "nesterov"},
        )


class _Rows:
    """The rows of a split, side by side in memory, and where that is.

    Args:
        split: x (Q, n) and y, of Q rows.
    """

    def __init__(self, split: Split) -> None:
        self.n = split.n_rows
        self.x, self.y = split.x.contiguous(), split.y.contiguous()
        self.x_at, self.y_at = self.x.data_ptr(), self.y.data_ptr()


class _Layout:
    """Where the parameters of a chain are in a vector.

    Args:
        parameters: weight (n, m) and bias (m,) of each layer, first to last.
        has_bias: of each layer.
    """

    def __init__(self, parameters: Sequence[Tensor], has_bias: Sequence[bool]) -> None:
        rest = iter(parameters)
        pairs = [(next(rest), next(rest) if biased else None) for biased in has_bias]
        matrices = [weight.shape for weight, _ in pairs]
        n_item = parameters[0].element_size()
        self._shapes = [tuple(parameter.shape) for parameter in parameters]
        self.widths = np.array([matrices[0][0], *(m for _, m in matrices)])
        self.strides = np.array([_stride(width, n_item) for width in self.widths.tolist()])
        weights, biases, end = [], [], 0
        for (n, _), stride, biased in zip(
            matrices, self.strides[1:].tolist(), has_bias, strict=True
        ):
            weights.append(end)
            end += n * stride
            biases.append(end if biased else -1)
            end += stride * biased
        self.weights, self.biases, self.n_numbers = np.array(weights), np.array(biases), end

    def view(self, vector: Tensor) -> list[Tensor]:
        """View the parameters in a vector, in their order and without the padding."""
        views = []
        layers = zip(pairwise(self.widths.tolist()), self.strides[1:].tolist(), strict=True)
        for (sizes, stride), weight, bias in zip(
            layers, self.weights.tolist(), self.biases.tolist(), strict=True
        ):
            n, m = sizes
            views.append(vector[weight : weight + n * stride].view(n, stride)[:, :m])
            if bias >= 0:
                views.append(vector[bias : bias + m])
        return views


def _checked(block: IndexArray, n_rows: int) -> IndexArray:
    """Refuse row numbers that are not in the split: the library would read beyond it."""
    is_whole = block.dtype in (np.int64, np.int32) and block.ndim == 2
    if not is_whole or (block.size and not 0 <= block.min() <= block.max() < n_rows):
        raise StackError(
            f"the loop's plan draws batches that are not row numbers from 0 to {n_rows - 1}",
            where="loop",
            fix="let its method batches yield arrays (S, B) of int64 in that range",
        )
    return block


def _stride(width: int, n_item: int) -> int:
    """Numbers from one row of so many to the next."""
    n_lines = -(-width * n_item // LINE_BYTES)
    if n_lines % CONFLICT_LINES == 0:
        n_lines += 1
    return n_lines * LINE_BYTES // n_item


def join_structs(models: Sequence[CompiledModel]) -> "ctypes.Array[Model]":
    """Put the structures of some models side by side; each model uses that one from now on."""
    array = (Model * len(models))(*(model.struct for model in models))
    for place, model in enumerate(models):
        model.struct = array[place]
    return array
