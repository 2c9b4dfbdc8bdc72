"""(h) What the machine needs for the arithmetic of the trials alone: their batched products."""

import time
from collections.abc import Callable, Sequence

import torch
from sweep_parts.commands import CORES, EPOCHS
from sweep_parts.plain_loop import N_INPUTS, N_OUTPUTS, N_TRAIN
from sweep_parts.search import Point

N_STACKED = 8  # K: large enough to hide the call, small enough for the cache
SHORTEST_S = 0.01  # of one measurement
N_MEASUREMENTS = 3


def least_seconds(points: Sequence[Point]) -> float:
    """Measure what a trial costs at least, on average and with all cores at work [s].

    That is the five products of each step, as wide as the trial is; neither optimizer nor
    validation, no dispatch, no padding.
    """
    torch.set_num_threads(1)
    total_s = 0.0
    for point in points:
        n_steps = EPOCHS * N_TRAIN / point.batch_size
        total_s += n_steps * time_products(point.hidden_units, point.batch_size)
    return total_s / len(points) / CORES


def time_products(hidden_units: int, batch_size: int) -> float:
    """Measure the products of one step, forward and backward, of one of K models [s]."""
    K, n, h, m, B = N_STACKED, N_INPUTS, hidden_units, N_OUTPUTS, batch_size
    x, H1, H2 = torch.randn(K, B, n), torch.randn(K, n, h), torch.randn(K, h, m)
    a, y, dy = torch.empty(K, B, h), torch.empty(K, B, m), torch.randn(K, B, m)
    da, dH1, dH2 = torch.empty_like(a), torch.empty_like(H1), torch.empty_like(H2)

    def step() -> None:
        torch.bmm(x, H1, out=a)
        torch.bmm(a, H2, out=y)
        torch.bmm(a.mT, dy, out=dH2)
        torch.bmm(dy, H2.mT, out=da)
        torch.bmm(x.mT, da, out=dH1)

    step()
    return min(_time(step) for _ in range(N_MEASUREMENTS)) / K


def _time(step: Callable[[], None]) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SHORTEST_S:
        step()
        count += 1
    return (time.perf_counter() - began) / count
