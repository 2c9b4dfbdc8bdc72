"""Finds out whether trials can train by the compiled library, and puts them into its learner."""

import functools
import logging
from collections.abc import Sequence

import torch

from ermlab.data.dataset import Split
from ermlab.loop.compiled import NAMES, CompiledLearner
from ermlab.loop.compiled_model import Program
from ermlab.loop.learner import Parts
from ermlab.model.activation import ACTIVATIONS as POINTWISE
from ermlab.native.library import ACTIVATIONS, find_library
from ermlab.objective import CrossEntropy, SquaredError

log = logging.getLogger(__name__)


def compile_trials(parts: Sequence[Parts]) -> CompiledLearner | None:
    """Make one learner of several trials of a chain, or return None if the library cannot.

    Args:
        parts: of each trial; their modules are of one class, and it has the method `chain`.
    """
    # The library uses one core: wide models that were given several are left to torch.
    if torch.get_num_threads() > 1 or not all(map(_is_readable, parts)):
        return None
    program = find_program(parts)
    if program is None:
        return None
    library = find_library(torch.backends.cpu.get_cpu_capability())
    if library is None:
        _tell_once()
        return None
    return CompiledLearner(parts, program, library)


@functools.cache
def _tell_once() -> None:
    log.info(
        "\tstacks train by torch's products, which takes several times as long: their C library is "
        "not compiled (python -m ermlab.native.compile says why)"
    )


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
    data, parameters = parts.data, list(parts.module.parameters())
    dtype = data.train.x.dtype
    return (
        dtype in NAMES
        and all(p.dtype == dtype and p.is_contiguous() for p in parameters)
        and all(_fits(each, parts) for each in (data.train, data.valid, data.test))
        and data.train.x.is_contiguous()
        and data.train.y.is_contiguous()
    )


def _fits(split: Split, parts: Parts) -> bool:
    """Whether the rows of a split are what the loss compares with the predictions, (Q, m)."""
    x, y, dtype = split.x, split.y, parts.data.train.x.dtype
    *_, (last, _) = parts.module.chain()  # type: ignore[operator]  # it has the method
    n_outputs = last.weight.shape[1]
    if not (x.ndim == 2 and x.dtype == dtype and x.device.type == y.device.type == "cpu"):
        return False
    if isinstance(parts.loss, SquaredError):
        return y.dtype == dtype and y.shape == (len(x), n_outputs)
    # Labels beyond the classes are refused by torch, in its own words.
    is_known = y.dtype == torch.int64 and y.shape == (len(x),)
    return is_known and (not len(y) or (int(y.min()) >= 0 and int(y.max()) < n_outputs))
