"""The stochastic block model: random graphs of communities."""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class BlockModel:
    """Undirected graphs without loops, in which two nodes are joined independently of all others.

    Args:
        n_nodes: N, >= 1.
        n_communities: of nodes that follow each other, as equal in size as can be, in 1..N.
        p_inside: probability of an edge within a community [1], in [0, 1].
        p_across: probability of an edge between two communities [1], in [0, 1].

    Source:
        Holland, Laskey and Leinhardt (1983), "Stochastic blockmodels: First steps".
    """

    n_nodes: int
    n_communities: int
    p_inside: float
    p_across: float

    def draw(self, rng: np.random.Generator) -> Array:
        """Draw the edges of one graph, (2, E) int64; time and memory grow with E if that is small.

        Each pair of communities draws how many of its pairs of nodes are joined, and then which.
        """
        bounds = np.linspace(0, self.n_nodes, self.n_communities + 1).round().astype(np.int64)
        found = [np.empty((2, 0), dtype=np.int64)]
        for a, b in combinations_with_replacement(range(self.n_communities), 2):
            sizes = bounds[a + 1] - bounds[a], bounds[b + 1] - bounds[b]
            probability = self.p_inside if a == b else self.p_across
            n_pairs = int(sizes[0] * (sizes[0] - 1) // 2 if a == b else sizes[0] * sizes[1])
            n_edges = rng.binomial(n_pairs, probability)
            if not n_edges:
                continue
            pairs = rng.choice(n_pairs, n_edges, replace=False, shuffle=False)  # (E_ab,)
            ends = _corner(pairs) if a == b else np.stack(np.divmod(pairs, sizes[1]))
            found.append(ends + np.array([[bounds[a]], [bounds[b]]]))
        return np.concatenate(found, axis=1)


def _corner(pairs: NDArray[np.int64]) -> Array:
    """Number the pairs i < j: 0 is (0, 1), 1 is (0, 2), 2 is (1, 2), ...; (E,) -> (2, E)."""
    j = (1 + np.sqrt(1 + 8.0 * pairs)).astype(np.int64) // 2
    j -= j * (j - 1) // 2 > pairs  # the root may be rounded up
    return np.stack([pairs - j * (j - 1) // 2, j])
