"""Finds out whether a module can be stacked without becoming a different one, and why not.

Our own models can, unless a graph is kept sparse. Of any other module nothing is known, so it is
tried: a stack that does not compute what the module computes alone is refused, never used.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ermlab.loop.learner import Parts
from ermlab.loop.packing import Packing
from ermlab.loop.stacked_batches import Batch
from ermlab.trial.seeding import seeded

TRIAL_ROWS = 4  # own: enough for a module to mix rows, and nothing to compute
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}  # relative; the program is one, or it is not


def find_obstacle(parts: Sequence[Parts]) -> str | None:
    """Say in words why modules cannot be stacked by vmap, or None if they can.

    Args:
        parts: the trials that would share a stack.
    """
    module = parts[0].module
    if any(not parameter.requires_grad for parameter in module.parameters()):
        return "some of its parameters are frozen"
    if len(list(module.named_parameters(remove_duplicate=False))) > len(list(module.parameters())):
        return "some of its parameters are tied"
    x, y = parts[0].data.train.x[:TRIAL_ROWS], parts[0].data.train.y[:TRIAL_ROWS]
    for part in (part for each in parts for part in each.module.modules()):
        told = getattr(part, "obstacle", None)  # a module may know it itself
        if isinstance(told, str):
            return told
    shapes = [[value.shape for value in each.module.buffers()] for each in parts]
    if any(other != shapes[0] for other in shapes):
        return "their buffers differ in shape"
    with seeded(0, "probe", x.device):
        if _changes_buffers(module, x):
            return "its buffers change in training, as batch statistics do"
        if _draws(module, x):
            return "it draws random numbers in training, as dropout does"
        try:
            return _disagreement(parts, x, y)
        except Exception as error:  # noqa: BLE001  # a module may hinder vmap in any way
            return f"torch.func cannot vectorize it: {' '.join(str(error).split())[:200]}"


def _changes_buffers(module: nn.Module, x: Tensor) -> bool:
    trained = copy.deepcopy(module).train()
    with torch.no_grad():
        trained(x)
    before = dict(module.named_buffers())
    return any(not torch.equal(before[name], value) for name, value in trained.named_buffers())


def _draws(module: nn.Module, x: Tensor) -> bool:
    trained = copy.deepcopy(module).train()
    state = torch.random.get_rng_state()
    with torch.no_grad():
        trained(x)
    return not torch.equal(state, torch.random.get_rng_state())


def _disagreement(parts: Sequence[Parts], x: Tensor, y: Tensor) -> str | None:
    """Compare the gradients of the modules in a stack with those of each alone."""
    from ermlab.loop.vmapped import VmapEngine  # imports torch._dynamo, which takes seconds

    modules = [each.module for each in parts]
    engine = VmapEngine(modules, parts[0].loss)
    values = [list(module.parameters()) for module in modules]
    packing = Packing([[tuple(p.shape) for p in model] for model in values], [len(modules)])
    params = packing.pack(values)
    grads = torch.zeros_like(params)
    engine.bind(packing, params, grads, range(len(modules)))
    n_rows, n_models = len(x), len(modules)
    engine.differentiate(
        Batch(
            x=torch.cat([x] * n_models),
            y=torch.cat([y] * n_models),
            share=x.new_full((n_models * n_rows, 1), 1 / n_rows),
            starts=[0],
            sizes=[n_rows],
            firsts=[row * n_rows for row in range(n_models)],
        )
    )
    for row, module in enumerate(modules):
        alone = copy.deepcopy(module).train()
        parts[row].loss(alone(x), y).backward()  # type: ignore[no-untyped-call]  # untyped in torch
        for stacked, parameter in zip(packing.unpack(grads, row), alone.parameters(), strict=True):
            expected = torch.zeros_like(stacked) if parameter.grad is None else parameter.grad
            difference = (stacked - expected).abs().max()
            if difference > TOLERANCE[x.dtype] * expected.abs().max().clamp(min=1e-6):
                return "its gradients in a stack are not those of the module alone"
    return None
