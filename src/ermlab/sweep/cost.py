"""Predicts what a trial costs, alone and in a stack, from what was measured of its parts.

The prediction has to order plans; twice as fast a machine changes no decision. A stack paid in each
case measured, that of one trial included. `tests/benchmarks/cost.py` measures the constants anew.
What a trial costs either way, such as its files, is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

# Measured on one core of a server, with models of unlike widths (own).
ALONE_S = 6.4e-5  # a step of the reference learner: Python, autograd and the optimizer's call
ALONE_LAYER_S = 4.1e-5  # each layer in it
STEP_S = 1.2e-5  # a step of the stack, whatever is in it
STEP_LAYER_S = 1.3e-5  # each layer in it
LAYER_S = 5e-6  # each layer of each model in it: the start of its products, the optimizer's call
FLOP_S = 6.2e-12  # a floating point operation of the products; twice that in double precision
BYTE_S = 1e-10  # a byte that a step reads and writes


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one trial has to do.

    Args:
        n_params: P, its parameters.
        n_layers: L, its affine maps.
        n_values: numbers that one row of a batch takes: inputs, targets, what each layer computes.
        batch_size: B, its rows at each step.
        n_steps: S, its steps at most.
        item_bytes: bytes of a number, 4 or 8.
        n_products: of a row, beyond one for each parameter.
    """

    n_params: int
    n_layers: int
    n_values: int
    batch_size: int
    n_steps: int
    item_bytes: int
    n_products: int = 0

    @property
    def n_bytes(self) -> int:
        """Memory that a step touches: parameters, gradients, two optimizer states, rows [bytes]."""
        return self.item_bytes * (4 * self.n_params + self.batch_size * self.n_values)


def cost_alone(trial: Work) -> float:
    """Predict the time of a trial with the reference learner on one core [s]."""
    return trial.n_steps * (ALONE_S + ALONE_LAYER_S * trial.n_layers + _arithmetic(trial))


def cost_of_stack(trials: Iterable[Work]) -> float:
    """Predict the time of a stack on one core [s]; it shrinks as its trials end.

    Args:
        trials: at least one.
    """
    chosen = list(trials)
    return cost_of_steps(chosen) + sum(map(cost_in_stack, chosen))


def cost_of_steps(trials: Iterable[Work]) -> float:
    """The share of `cost_of_stack` that its longest trial decides, whatever else is in it."""
    return max(each.n_steps * (STEP_S + STEP_LAYER_S * each.n_layers) for each in trials)


def cost_in_stack(trial: Work) -> float:
    """The share of `cost_of_stack` that one trial adds."""
    return trial.n_steps * (LAYER_S * trial.n_layers + _arithmetic(trial))


def _arithmetic(trial: Work) -> float:
    n_flops = 6 * trial.batch_size * (trial.n_params + trial.n_products) * (trial.item_bytes / 4)
    return n_flops * FLOP_S + trial.n_bytes * BYTE_S
