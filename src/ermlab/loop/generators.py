"""The state of the global generators, which forward passes draw from: read out and put back.

They are seeded for each trial in `trial/seeding.py`; the batches have generators of their own.
"""

import random
from typing import Any

import numpy as np
import torch

from ermlab.errors import CheckpointError

N_WORDS = 624  # Matsumoto and Nishimura (1998): words of the Mersenne Twister's state


def generator_states(device: torch.device) -> dict[str, Any]:
    """Return the states of torch's, NumPy's and Python's global generators.

    Args:
        device: a GPU whose generator counts as well.

    Returns:
        Tensors and plain numbers.
    """
    _, key, position, has_gauss, gauss = np.random.get_state()
    _, words, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "device": _of_device(device).get_rng_state() if device.type != "cpu" else None,
        "numpy": {
            "key": torch.from_numpy(np.asarray(key, dtype=np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "gauss": float(gauss),
        },
        "python": {"words": torch.tensor(words), "gauss": python_gauss},
    }


def restore_generators(states: dict[str, Any], device: torch.device) -> None:
    """Put back what `generator_states` returned.

    Raises:
        CheckpointError, ValueError, RuntimeError: these are no such states.
    """
    numpy, python = states["numpy"], states["python"]
    # NumPy does not check the position, and reads beyond its state.
    if len(numpy["key"]) != N_WORDS or not 0 <= numpy["position"] <= N_WORDS:
        raise CheckpointError(
            f"NumPy's generator has {len(numpy['key'])} words and is at {numpy['position']}",
            where="the state of the generators",
            fix=f"use a state of {N_WORDS} words, with a position in it",
        )
    words = tuple(int(word) for word in python["words"].tolist())
    random.setstate((3, words, python["gauss"]))  # 3: the version of Python's own format
    key = numpy["key"].numpy().astype(np.uint32)
    gauss = (int(numpy["has_gauss"]), float(numpy["gauss"]))
    np.random.set_state(("MT19937", key, int(numpy["position"]), *gauss))
    torch.set_rng_state(states["torch"])
    if device.type != "cpu":
        _of_device(device).set_rng_state(states["device"])


def _of_device(device: torch.device) -> Any:
    return torch.get_device_module(device)
