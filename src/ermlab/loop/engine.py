"""What a stack asks of the program that all its trials run: gradients and predictions, K at once.

`chain.py` has the program of our own models, written out; `vmapped.py` that of any other module.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ermlab.loop.packing import Packing
from ermlab.objective import BatchRows


class Engine(Protocol):
    """One program for K models whose parameters come as tensors (K, ...)."""

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the matrices (K, P) to read parameters from and to write gradients to.

        Args:
            packing: of both matrices.
            params: read by `differentiate`.
            grads: written by it.
            models: which of the stack's models the rows are.
        """
        ...

    def differentiate(self, x: Tensor, y: Tensor, rows: BatchRows) -> Tensor:
        """Write the gradient of each model's batch loss.

        Args:
            x: inputs, (K, B, ...).
            y: targets, (K, B, ...).
            rows: how many rows of each batch are real.

        Returns:
            The batch losses before the update, (K,).
        """
        ...

    def predict(self, packing: Packing, params: Tensor, models: Sequence[int], x: Tensor) -> Tensor:
        """Map the same rows by some of the models.

        Args:
            packing: of `params`.
            params: matrix (K', P), a row for each of these models.
            models: which of the stack's models the rows are.
            x: inputs, (Q, ...).

        Returns:
            Predictions, (K', Q, ...).
        """
        ...
