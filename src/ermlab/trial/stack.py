"""Puts the parts of several trials into one stacked learner, or says why they cannot."""

from collections.abc import Sequence

from torch import nn

from ermlab.errors import StackError
from ermlab.loop.chain import ChainEngine, Layer
from ermlab.loop.compiled import CompiledLearner
from ermlab.loop.engine import Engine
from ermlab.loop.filters import FilterEngine
from ermlab.loop.learner import Parts
from ermlab.loop.stacked import StackedLearner
from ermlab.trial.compiled import compile_trials
from ermlab.trial.obstacle import find_obstacle


def stack_trials(
    parts: Sequence[Parts], *, one_block: bool | None = None
) -> StackedLearner | CompiledLearner:
    """Make one learner of several trials.

    Args:
        parts: of each trial, as `build_trial` makes them.
        one_block: see `StackedLearner`, which is then used; None: as suits the device, which on
            the CPU is the compiled library for all that it can train.

    Raises:
        StackError: they do not run the same program, or one cannot be stacked at all.
    """
    shapes = {str([p.ndim for p in each.module.parameters()]) for each in parts}
    if len({type(each.module) for each in parts}) > 1 or len(shapes) > 1:
        raise StackError(
            "the trials cannot train in one stack: their models differ in class or depth",
            where="model",
            fix="give each model a stack of its own",
        )
    if one_block is None:
        compiled = compile_trials(parts) if _is_chain(parts) else None
        if compiled is not None:
            return compiled
        one_block = parts[0].data.train.x.device.type != "cpu"
    return StackedLearner(parts, make_engine(parts), one_block=one_block)


def make_engine(parts: Sequence[Parts]) -> Engine:
    """Choose the program: written out for our models if the loss knows its slope, else vmap."""
    if _is_chain(parts):
        return ChainEngine(_layers(parts[0].module), parts[0].loss)  # type: ignore[arg-type]  # has the methods
    loss_agrees = defines_together(parts[0].loss, "__call__", "differentiate")
    if loss_agrees and _is_trained(parts) and _are_filters(parts):
        return _make_filter_engine(parts)
    obstacle = find_obstacle(parts)
    if obstacle is not None:
        raise StackError(
            f"{type(parts[0].module).__name__} cannot be stacked: {obstacle}",
            where="model",
            fix="set hydra.launcher.on_unstackable=single to train such trials one by one",
        )
    from ermlab.loop.vmapped import VmapEngine  # imports torch._dynamo, which takes seconds

    return VmapEngine([each.module for each in parts], parts[0].loss)


def _are_filters(parts: Sequence[Parts]) -> bool:
    """Whether all are graph filters of ours that keep graphs of one size dense."""
    modules = [each.module for each in parts]
    if not all(defines_together(module, "forward", "filters") for module in modules):
        return False
    shifts = [module.filters()[0] for module in modules]  # type: ignore[operator]  # it has the method
    return not any(shift.is_sparse for shift in shifts) and len({s.n_nodes for s in shifts}) == 1


def _make_filter_engine(parts: Sequence[Parts]) -> Engine:
    found = [each.module.filters() for each in parts]  # type: ignore[operator]  # it has the method
    layers = [
        Layer(has_bias=bank.bias is not None, activation=activation)
        for bank, activation in found[0][1]
    ]
    return FilterEngine(layers, [shift.dense for shift, _ in found], parts[0].loss)  # type: ignore[arg-type]  # has the methods


def defines_together(thing: object, first: str, second: str) -> bool:
    """Whether one class defines both methods, so that neither was overridden without the other."""
    homes = [
        next((base for base in type(thing).__mro__ if name in vars(base)), None)
        for name in (first, second)
    ]
    return homes[0] is not None and homes[0] is homes[1]


def _is_chain(parts: Sequence[Parts]) -> bool:
    """Whether the trials' models and their loss are written out."""
    return (
        defines_together(parts[0].module, "forward", "chain")
        and defines_together(parts[0].loss, "__call__", "differentiate")
        and _is_trained(parts)
    )


def _is_trained(parts: Sequence[Parts]) -> bool:
    return all(p.requires_grad for each in parts for p in each.module.parameters())


def _layers(module: nn.Module) -> list[Layer]:
    return [
        Layer(has_bias=linear.bias is not None, activation=activation)
        for linear, activation in module.chain()  # type: ignore[operator]  # it has the method
    ]
