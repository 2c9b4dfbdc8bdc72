"""Finds out whether trials can train by the compiled library, and puts them into its learner."""

import functools
import logging
from collections.abc import Sequence
from itertools import pairwise

import torch

from ermlab.data.dataset import Split
from ermlab.loop.compiled import NAMES, CompiledLearner
from ermlab.loop.compiled_model import Program
from ermlab.loop.learner import Parts
from ermlab.model.activation import ACTIVATIONS as POINTWISE
from ermlab.model.linear import Linear
from ermlab.native.library import ACTIVATIONS, find_library
from ermlab.objective import CrossEntropy, SquaredError

log = logging.getLogger(__name__)


def compile_trials(parts: Sequence[Parts]) -> CompiledLearner | None:
    """Make one learner of several trials of a chain, or return None if the library cannot.

    Args:
        parts: of each trial; their modules are of one class, and it has the method `chain`.
    """
    # The library uses one core: wide models that were given several are left to torch.
    if torch.get_num_threads() > 1:
        return None
    programs = [describe(each) for each in parts]
    program = programs[0]
    if program is None or any(each != program for each in programs):
        return None
    library = find_library(torch.backends.cpu.get_cpu_capability())
    if library is None:
        _tell_once()
        return None
    return CompiledLearner(parts, program, library, describe)


@functools.cache
def _tell_once() -> None:
    log.info(
        "\tstacks train by torch's products, which takes several times as long: their C library is "
        "not compiled (python -m ermlab.native.compile says why)"
    )


def describe(parts: Parts) -> Program | None:
    """Describe what a trial computes, or return None if the library cannot compute or read it."""
    names = {id(activation): name for name, activation in POINTWISE.items() if name in ACTIVATIONS}
    chain, loss = parts.module.chain(), parts.loss  # type: ignore[operator]  # it has the method
    layers = [linear for linear, _ in chain]
    # The exact classes: one derived from them may measure otherwise.
    is_known = type(loss) in (SquaredError, CrossEntropy) and all(id(a) in names for _, a in chain)
    if not (is_known and _is_chain(layers, parts) and _is_readable(layers, parts)):
        return None
    return Program(
        biases=tuple(linear.bias is not None for linear in layers),
        activations=tuple(names[id(activation)] for _, activation in chain),
        loss="squared_error" if isinstance(loss, SquaredError) else "cross_entropy",
        averages=not isinstance(loss, SquaredError) or loss.outputs != "sum",
        label_smoothing=loss.label_smoothing if isinstance(loss, CrossEntropy) else 0.0,
        dtype=NAMES[parts.data.train.x.dtype],
    )


def _is_chain(layers: Sequence[Linear], parts: Parts) -> bool:
    """Whether the module's parameters are those of maps that fit together, in their order."""
    mine = [p for linear in layers for p in (linear.weight, linear.bias) if p is not None]
    named = [parameter for _, parameter in parts.module.named_parameters()]
    shapes = [linear.weight.shape for linear in layers]
    return (
        all(type(linear) is Linear for linear in layers)
        and [id(parameter) for parameter in mine] == [id(parameter) for parameter in named]
        and all(before[1] == after[0] for before, after in pairwise(shapes))
    )


def _is_readable(layers: Sequence[Linear], parts: Parts) -> bool:
    """Whether the library can read a trial's memory."""
    data, dtype = parts.data, parts.data.train.x.dtype
    return (
        dtype in NAMES
        and all(p.dtype == dtype and p.device.type == "cpu" for p in parts.module.parameters())
        and all(_fits(each, layers, parts) for each in (data.train, data.valid, data.test))
    )


def _fits(split: Split, layers: Sequence[Linear], parts: Parts) -> bool:
    """Whether rows are what the model maps, (Q, n), and the loss compares with that, (Q, m)."""
    x, y, dtype = split.x, split.y, parts.data.train.x.dtype
    n_inputs, n_outputs = layers[0].weight.shape[0], layers[-1].weight.shape[1]
    if not (x.shape == (len(y), n_inputs) and x.dtype == dtype):
        return False
    if not x.device.type == y.device.type == "cpu":
        return False
    if isinstance(parts.loss, SquaredError):
        return y.dtype == dtype and y.shape == (len(x), n_outputs)
    # Labels beyond the classes are refused by torch, in its own words.
    is_known = y.dtype == torch.int64 and y.shape == (len(x),)
    return is_known and (not len(y) or (int(y.min()) >= 0 and int(y.max()) < n_outputs))
