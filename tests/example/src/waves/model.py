"""A residual network; nothing of ermlab's is needed to write one."""

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """x + correction, then a linear map: (B, n) -> (B, m).

    Args:
        n_inputs: n.
        n_outputs: m.
        hidden_units: h of each correction.
        n_blocks: corrections in a row.
    """

    def __init__(self, n_inputs: int, n_outputs: int, hidden_units: int, n_blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n_inputs, hidden_units), nn.Tanh(), nn.Linear(hidden_units, n_inputs)
            )
            for _ in range(n_blocks)
        )
        self.last = nn.Linear(n_inputs, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map a batch, (B, n) -> (B, m)."""
        for block in self.blocks:
            x = x + block(x)
        return self.last(torch.relu(x))
