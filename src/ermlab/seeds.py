"""Seeds for named purposes: one seed of the user's, one independent stream for each use.

A new use takes a new name and never shifts the numbers of an old one. The generators here draw on
the CPU, so that a run draws the same numbers whatever device it trains on.
"""

import hashlib

import numpy as np


def child_seed(seed: int, purpose: str) -> int:
    """Derive the seed of one purpose from the seed of a trial.

    Args:
        seed: seed of the trial, any integer.
        purpose: what is drawn with it: "init", "data", "graph", "split", "batches", "forward".

    Returns:
        A seed in [0, 2**63), the same on every machine and Python version.

    Source:
        own; SHA-256 makes streams of different names and neighbouring seeds unrelated.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Make the NumPy generator of one purpose of a trial (see `child_seed`)."""
    return np.random.default_rng(child_seed(seed, purpose))
