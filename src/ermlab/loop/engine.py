"""What a stack asks of the program that all its trials run: gradients of K models, predictions.

`chain.py` has the program of our own models, written out; `vmapped.py` that of any other module.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from ermlab.loop.packing import Packing
from ermlab.loop.stacked_batches import Batch


class Engine(Protocol):
    """One program for K models whose parameters lie in one vector."""

    def bind(self, packing: Packing, params: Tensor, grads: Tensor, models: Sequence[int]) -> None:
        """Take the vectors (P,) to read parameters from and to write gradients to.

        Args:
            packing: of both vectors.
            params: read by `differentiate`.
            grads: written by it.
            models: which of the stack's models the packed ones are.
        """
        ...

    def differentiate(self, batch: Batch) -> Tensor:
        """Write the gradient of each model's batch loss.

        Args:
            batch: rows of the packed models, in blocks as these are.

        Returns:
            The loss of each row before the update, (R,), or what has the same mean over a batch.
        """
        ...

    @property
    def pads_rows(self) -> bool:
        """Whether the batches of models in one block may be of unlike lengths."""
        ...

    def replace(self, model: int, module: nn.Module) -> None:
        """Let another module of the same program be the stack's model of a number."""
        ...

    def predict(self, parameters: Sequence[Tensor], model: int, x: Tensor) -> Tensor:
        """Map rows by one model.

        Args:
            parameters: its parameters.
            model: which of the stack's models it is.
            x: inputs, (Q, ...).

        Returns:
            Predictions, (Q, ...).
        """
        ...
