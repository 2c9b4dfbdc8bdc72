"""Predicts what a stack costs, from what was measured of its parts.

The prediction only has to order plans: twice as fast a machine changes no decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Measured with batched products of two-layer networks in float32 on one core of a server (own).
STEP_S = 110e-6  # a step of the stack, whatever is in it: Python and dispatch
MODEL_S = 15e-6  # each model in it: its batch, its products' start, its optimizer's call
FLOP_S = 9e-12  # a floating point operation of the products
PARAM_S = 1.5e-9  # reading and writing a parameter with its gradient and optimizer state


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one trial has to do.

    Args:
        n_params: P, its parameters.
        batch_size: B, its rows at each step.
        n_steps: S, its steps at most.
        item_bytes: bytes of a number, 4 or 8.
    """

    n_params: int
    batch_size: int
    n_steps: int
    item_bytes: int

    @property
    def n_bytes(self) -> int:
        """Memory of parameters, gradients and two optimizer states [bytes]."""
        return 4 * self.n_params * self.item_bytes


def cost_of_stack(trials: Sequence[Work]) -> float:
    """Predict the time of a stack on one core [s].

    All trials are padded to the widest and to the longest batch among those still in the stack; it
    shrinks as they end.

    Args:
        trials: at least one.
    """
    cost_s, done = 0.0, 0
    remaining = sorted(trials, key=lambda each: each.n_steps)
    while remaining:
        n_steps = remaining[0].n_steps - done
        done = remaining[0].n_steps
        n_params = max(each.n_params for each in remaining)
        rows = max(each.batch_size for each in remaining)
        scale = remaining[0].item_bytes / 4  # double precision moves and computes half as fast
        arithmetic_s = scale * n_params * (6 * rows * FLOP_S + PARAM_S)
        cost_s += n_steps * (STEP_S + len(remaining) * (MODEL_S + arithmetic_s))
        remaining = [each for each in remaining if each.n_steps > done]
    return cost_s
