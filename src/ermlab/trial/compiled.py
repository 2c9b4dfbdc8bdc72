"""Finds out whether trials can train by the compiled library, and puts them into its learner."""

from collections.abc import Sequence

import torch

from ermlab.loop.compiled import NAMES, CompiledLearner
from ermlab.loop.compiled_model import Program
from ermlab.loop.learner import Parts
from ermlab.model.activation import ACTIVATIONS as POINTWISE
from ermlab.native.library import ACTIVATIONS, find_library
from ermlab.objective import CrossEntropy, SquaredError


def compile_trials(parts: Sequence[Parts]) -> CompiledLearner | None:
    """Make one learner of several trials of a chain, or return None if the library cannot.

    Args:
        parts: of each trial; their modules are of one class, and it has the method `chain`.
    """
    # The library uses one core: wide models that were given several are left to torch.
    if torch.get_num_threads() > 1 or not all(map(_is_readable, parts)):
        return None
    program = find_program(parts)
    library = find_library(torch.backends.cpu.get_cpu_capability())
    return None if program is None or library is None else CompiledLearner(parts, program, library)


def find_program(parts: Sequence[Parts]) -> Program | None:
    """Describe what all the trials compute, or return None if they or the library do not agree."""
    programs = [_describe(each) for each in parts]
    return programs[0] if all(each == programs[0] for each in programs) else None


def _describe(parts: Parts) -> Program | None:
    names = {id(activation): name for name, activation in POINTWISE.items() if name in ACTIVATIONS}
    chain = parts.module.chain()  # type: ignore[operator]  # it has the method
    loss = parts.loss
    # The exact classes: one derived from them may measure otherwise.
    if type(loss) not in (SquaredError, CrossEntropy) or any(id(a) not in names for _, a in chain):
        return None
    biases = tuple(linear.bias is not None for linear, _ in chain)
    activations = tuple(names[id(activation)] for _, activation in chain)
    if isinstance(loss, SquaredError):
        averages = loss.outputs == "mean"
        return Program(
            biases=biases, activations=activations, loss="squared_error", averages=averages
        )
    assert isinstance(loss, CrossEntropy), "one of the two"
    return Program(
        biases=biases,
        activations=activations,
        loss="cross_entropy",
        label_smoothing=loss.label_smoothing,
    )


def _is_readable(parts: Parts) -> bool:
    """Whether the library can read a trial's memory."""
    x, y = parts.data.train.x, parts.data.train.y
    if isinstance(parts.loss, SquaredError):
        fits = y.ndim == 2 and y.dtype == x.dtype
    else:
        fits = y.ndim == 1 and y.dtype == torch.int64
    splits = (x, y, *parts.module.parameters())
    return (
        fits
        and x.ndim == 2
        and x.dtype in NAMES
        and all(p.dtype == x.dtype for p in parts.module.parameters())
        and all(t.device.type == "cpu" and t.is_contiguous() for t in splits)
    )
