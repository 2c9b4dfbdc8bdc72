"""The data source of the course's second lab: find where a diffusion on a random graph began."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ermlab.data.block_model import BlockModel
from ermlab.data.graph import make_shift
from ermlab.errors import ConfigError
from ermlab.seeds import generator

Array = NDArray[Any]


def source_localization(
    *,
    n_nodes: int,
    n_communities: int,
    p_inside: float,
    p_across: float,
    scale: str,
    n_sources: int | float,
    amplitude: float,
    n_diffusions: int,
    noise_variance: float,
    n_samples: int,
    seed: int,
) -> tuple[Array, Array, Tensor]:
    """Draw z_0, which is a on the sources and else 0, and z_{t+1} = S z_t + w_t; x = z_T, y = z_0.

    Args:
        n_nodes: N, >= 1.
        n_communities: of the graph, in 1..N.
        p_inside: probability of an edge within a community [1], in [0, 1].
        p_across: probability of an edge between two communities [1], in [0, 1].
        scale: "largest_eigenvalue" or "none" (see `make_shift`).
        n_sources: nodes where a sample begins, drawn for each sample: a number in 1..N, or a
            share of the nodes in (0, 1).
        amplitude: a, common to the sources of a sample, is uniform on [0, amplitude).
        n_diffusions: T, >= 0.
        noise_variance: of an entry of w_t, >= 0.
        n_samples: Q, rows of all splits together, >= 0.
        seed: of the graph, of the sources, of a and of each w_t, each drawn from a stream of its
            own. The first rows are the same for any `n_samples`.

    Returns:
        x, (Q, N), y, (Q, N), and S, (N, N) sparse.

    Raises:
        ConfigError: there are more sources or communities than nodes.
        DataError: the graph has no edge.

    Source:
        the course's Lab 2, section 1: N = 50 in 5 communities, 10 sources, T = 4.
    """
    _check_size("n_communities", n_communities, n_nodes)
    chosen = n_sources if isinstance(n_sources, int) else max(1, round(n_sources * n_nodes))
    _check_size("n_sources", chosen, n_nodes)
    model = BlockModel(
        n_nodes=n_nodes, n_communities=n_communities, p_inside=p_inside, p_across=p_across
    )
    shift = _draw_shift(model, scale=scale, rng=generator(seed, "graph"))
    source_rng, amplitude_rng, *noise_rngs = generator(seed, "data").spawn(2 + n_diffusions)
    order = source_rng.random((n_samples, n_nodes)).argsort(axis=1)  # (Q, N)
    y = np.zeros((n_samples, n_nodes))
    a = amplitude_rng.uniform(0, amplitude, (n_samples, 1))
    np.put_along_axis(y, order[:, :chosen], a, axis=1)
    x = torch.from_numpy(y.T.copy())  # (N, Q): a column for each sample
    for rng in noise_rngs:
        noise = rng.normal(0, np.sqrt(noise_variance), (n_samples, n_nodes))
        x = torch.sparse.mm(shift, x) + torch.from_numpy(noise.T)
    return x.T.contiguous().numpy(), y, shift


def _draw_shift(model: BlockModel, *, scale: str, rng: np.random.Generator) -> Tensor:
    ends = model.draw(rng)
    return make_shift(
        ends,
        np.ones(ends.shape[1]),
        n_nodes=model.n_nodes,
        is_directed=False,
        scale=scale,
        where="data.p_inside, data.p_across",
    )


def _check_size(key: str, size: int, n_nodes: int) -> None:
    if size > n_nodes:
        raise ConfigError(
            f"{key} is {size}, but the graph has {n_nodes} nodes",
            where=f"data.{key}",
            fix=f"set data.{key} to at most {n_nodes}, or raise data.n_nodes",
        )
