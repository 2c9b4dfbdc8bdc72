"""What a user might bring for signals on graphs: a data function and modules, by `_target_`."""

import numpy as np
import scipy.sparse
import torch
from torch import nn


def ring(n_nodes, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, n_nodes))
    shift = np.roll(np.eye(n_nodes), 1, axis=0) * rng.uniform(0.5, 1)
    return x, x @ shift.T, scipy.sparse.csr_array(shift)


def pairs(n_nodes, seed):
    """Two features of each node, before and after."""
    x, y, shift = ring(n_nodes, seed)
    return np.stack([x, y], axis=-1), np.stack([y, x], axis=-1), shift


def note(graph):
    """Replaced by a test that wants to see what a module was given."""


class OneTap(nn.Module):
    """x -> h S x for each row, h = 0 at the start."""

    def __init__(self, graph):
        super().__init__()
        note(graph)
        self.register_buffer("shift", graph.to_dense())
        self.tap = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return self.tap * (x @ self.shift.T)


def make_one_tap(graph, scale):
    return OneTap(scale * graph)


class Named(nn.Module):
    """A module with an argument `graph` that is a name."""

    def __init__(self, graph):
        super().__init__()
        self.graph = graph
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        return self.layer(x)
