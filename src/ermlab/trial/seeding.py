"""Seeds the global generators around code that draws from them, and puts them back after."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ermlab.seeds import child_seed


@contextmanager
def seeded(seed: int, purpose: str, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's, NumPy's and Python's global generators for one purpose of a trial.

    A user's module or data function draws from these. They are as before when the block ends, so
    that no run depends on the runs before it.

    Args:
        seed: seed of the trial.
        purpose: name of what is drawn (see `child_seed`).
        device: a GPU whose generator is seeded as well.
    """
    child = child_seed(seed, purpose)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [device] if device is not None and device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            # Where there is no GPU, torch.manual_seed spends its time on looking for one.
            has_gpu = torch.accelerator.is_available()
            (torch if has_gpu else torch.default_generator).manual_seed(child)
            random.seed(child)
            np.random.seed(child % 2**32)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Let modules make their parameters in a dtype, so that they are drawn in it, not cast."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
