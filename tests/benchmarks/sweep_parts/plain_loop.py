"""The training that every alternative carries out, without ermlab: its data and its fastest loop.

The settings are those of `sweeps/hidden_step_batch.yaml`; the draws differ from ermlab's, their
distributions do not. Which points are trained is in `search.py`.
"""

import functools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

N_INPUTS, N_OUTPUTS = 100, 100  # n and m
N_TRAIN, N_VALID, N_TEST = 1000, 100, 100  # rows
# The loss that can be reached depends on how many outputs A leaves without an input, 37 of 100 give
# or take 5. With this seed nearly as many have 0, 1, 2, ... as in ermlab's draw for its seed 0.
DATA_SEED = 273

Split = tuple[Tensor, Tensor]  # x (Q, n), y (Q, m)


@functools.lru_cache(maxsize=1)  # drawn once in each process: more than most scripts do
def draw_data() -> tuple[Split, Split, Split]:
    """Draw y = sign(x A + w) and divide it at random into train, valid and test rows."""
    rng = np.random.default_rng(DATA_SEED)
    n_rows = N_TRAIN + N_VALID + N_TEST
    A = rng.random((N_INPUTS, N_OUTPUTS)) < 1 / N_OUTPUTS
    x = rng.normal(0, np.sqrt(0.5), (n_rows, N_INPUTS))
    w = rng.normal(0, np.sqrt(0.5), (n_rows, N_OUTPUTS))
    rows_x = torch.from_numpy(x.astype(np.float32))
    rows_y = torch.from_numpy(np.sign(x @ A + w).astype(np.float32))
    sizes = [N_TRAIN, N_VALID, N_TEST]
    train, valid, test = zip(rows_x.split(sizes), rows_y.split(sizes), strict=True)
    return train, valid, test


def draw_batches(split: Split, batch_size: int) -> Iterator[Split]:
    """Permute the rows with one index_select, and give views of them, for one epoch."""
    order = torch.randperm(len(split[0]))
    x, y = (part.index_select(0, order) for part in split)
    return zip(x.split(batch_size), y.split(batch_size), strict=True)


def start_layer(n_inputs: int, n_outputs: int) -> Tensor:
    """Draw a weight matrix as torch.nn.Linear does: uniform on +-1/sqrt(n)."""
    bound = n_inputs**-0.5
    return torch.empty(n_inputs, n_outputs).uniform_(-bound, bound).requires_grad_()


def train_fast(*, hidden_units: int, lr: float, batch_size: int, epochs: int) -> float:
    """Train with the fastest loop that we know with autograd and torch.optim.

    Args:
        hidden_units: h, >= 1.
        lr: step size, > 0.
        batch_size: B, >= 1.
        epochs: 0 for an empty task, which makes all and trains nothing.

    Returns:
        The lowest validation loss; 0 of an empty task.
    """
    train, (x_valid, y_valid), (x_test, y_test) = draw_data()
    weights = [start_layer(N_INPUTS, hidden_units), start_layer(hidden_units, N_OUTPUTS)]
    H1, H2 = weights
    optimizer = torch.optim.Adam(weights, lr=lr, fused=True)
    best_loss, best = float("inf"), [weight.detach().clone() for weight in weights]
    for _ in range(epochs):
        for x, y in draw_batches(train, batch_size):
            H1.grad = H2.grad = None
            F.mse_loss(torch.relu(x @ H1) @ H2, y).backward()
            optimizer.step()
        with torch.no_grad():
            valid_loss = F.mse_loss(torch.relu(x_valid @ H1) @ H2, y_valid).item()
            if valid_loss < best_loss:
                best_loss = valid_loss
                for kept, weight in zip(best, weights, strict=True):
                    kept.copy_(weight)
    F.mse_loss(torch.relu(x_test @ best[0]) @ best[1], y_test).item()
    return best_loss if epochs else 0.0
