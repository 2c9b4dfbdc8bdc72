"""What a user of ermlab might bring: modules and data functions, named by `_target_` in tests."""

import random

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, n_inputs, n_outputs, width):
        super().__init__()
        self.first = nn.Linear(n_inputs, width)
        self.second = nn.Linear(width, n_outputs)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def sequential(*parts):
    return nn.Sequential(*parts)


class HalfFrozen(Net):
    def __init__(self, **sizes):
        super().__init__(**sizes)
        self.first.requires_grad_(False)


class Scaled(nn.Module):
    def forward(self, x):
        return 2 * x[:, :2]


class OneColumn(Net):
    def forward(self, x):
        return super().forward(x)[:, :1]


class Branching(Net):
    def forward(self, x):
        x = super().forward(x)
        return x if x.sum() > 0 else 2 * x


class Transposed(Net):
    def forward(self, x):
        return super().forward(x.T)


def three():
    return 3


def rows(n):
    x = np.arange(3.0 * n).reshape(n, 3) / n
    return x, np.stack([np.sin(x.sum(1)), x[:, 0] - x[:, 1]], axis=1)


def arrays():
    return rows(40)


def lists():
    x, y = rows(40)
    return [x.tolist(), y.tolist()]


def tensors():
    x, y = rows(40)
    return torch.from_numpy(x), torch.from_numpy(y)


def counted(n_samples, n_valid):
    return rows(n_samples + 0 * n_valid)


def seeded(seed):
    x, y = rows(40)
    return x, y + seed


def noisy():
    x, y = rows(40)
    noise = np.random.rand() + torch.rand(()).item() + random.random()
    return x, y + noise


def only_x():
    return rows(40)[0]
