"""Time and memory of a forward pass of a graph neural network, by the size of its graph.

The first table has graphs of average degree 20 and from 100 to 100,000 nodes: where both are linear
in the edges, the last two columns are level. The second one has a forward and a backward pass with
the graph kept dense and sparse, on which the constants of `ermlab.model.shift` stand. Each case has
a process of its own, so that its memory is what it adds to that of the imports.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from report import print_machine, print_table
from torch import Tensor

from ermlab.data.block_model import BlockModel
from ermlab.data.graph import make_shift
from ermlab.model.gnn import Gnn

SIZES = (100, 1_000, 10_000, 100_000)
DEGREE = 20
N_ROWS = 10  # signals at a time
DENSE_CASES = ((100, 20), (200, 20), (300, 20), (600, 20), (1_000, 20), (300, 100), (1_000, 100))
N_TIMES = 7


def draw_graph(n_nodes: int, degree: float) -> Tensor:
    """Draw a random graph without communities, sparse (N, N)."""
    p = degree / (n_nodes - 1)
    model = BlockModel(n_nodes=n_nodes, n_communities=1, p_inside=p, p_across=p)
    ends = model.draw(np.random.default_rng(0))
    weights = np.full(ends.shape[1], 1 / degree)  # near the largest eigenvalue
    return make_shift(
        ends, weights, n_nodes=n_nodes, is_directed=False, scale="none", where="the benchmark"
    )


def make_gnn(graph: Tensor, sparse: bool | None = None) -> Gnn:
    """Make the graph neural network of the course's Lab 2."""
    return Gnn(
        n_inputs=len(graph),
        n_outputs=len(graph),
        graph=graph,
        taps=8,
        features=32,
        n_layers=2,
        readout_taps=1,
        bias=True,
        init="fan_in",
        activation="relu",
        readout_activation="identity",
        sparse=sparse,
    )


def measure(call: Callable[[], object]) -> float:
    """Return the median time of a call [s]."""
    call()
    times = []
    for _ in range(N_TIMES):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def forward_row(n_nodes: int) -> list[str]:
    """Measure a forward pass on a graph of some nodes, with no gradient."""
    torch.set_num_threads(1)
    graph = draw_graph(n_nodes, DEGREE)
    n_edges = len(graph.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = make_gnn(graph).to(torch.float64)
    operator_bytes = sum(buffer.nbytes for buffer in model.buffers())
    x = torch.randn(N_ROWS, n_nodes, dtype=torch.float64)
    with torch.no_grad():
        time_s = measure(lambda: model(x))
    peak_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    kind = "sparse" if model.shift.is_sparse else "dense"
    return [
        f"{n_nodes:,}",
        f"{n_edges:,}",
        kind,
        f"{time_s * 1e3:.2f}",
        f"{operator_bytes / 1e6:.2f}",
        f"{peak_bytes / 1e6:.0f}",
        f"{time_s / n_edges * 1e9:.0f}",
        f"{operator_bytes / n_edges:.1f}",
    ]


def training_row(case: tuple[int, int]) -> list[str]:
    """Measure a forward and a backward pass with the graph kept dense and sparse."""
    torch.set_num_threads(1)
    n_nodes, degree = case
    graph = draw_graph(n_nodes, degree)
    x = torch.randn(N_ROWS, n_nodes, dtype=torch.float64)
    times = []
    for sparse in (False, True):
        model = make_gnn(graph, sparse).to(torch.float64)

        def step(model: Gnn = model) -> None:
            model.zero_grad()
            model(x).square().mean().backward()

        times.append(measure(step))
    sparsity = n_nodes**2 / len(graph.values())
    kind = "sparse" if make_gnn(graph).shift.is_sparse else "dense"
    return [f"{n_nodes:,}", f"{sparsity:.0f}", *(f"{each * 1e3:.2f}" for each in times), kind]


def in_processes(function: Callable[..., list[str]], cases: Sequence[object]) -> list[list[str]]:
    """Call a function for each case, in a process of its own."""
    rows = []
    for case in cases:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(function, (case,)))
    return rows


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print_machine()
    header = ["nodes", "entries of S", "kept", "ms", "S in MB", "peak MB", "ns/entry", "B/entry"]
    title = f"a forward pass of {N_ROWS} signals, 8 taps, 32 features, float64, degree {DEGREE}"
    print_table(title, header, in_processes(forward_row, SIZES))
    header = ["nodes", "N^2/entries", "dense", "sparse", "chosen"]
    title = "a forward and a backward pass, milliseconds"
    print_table(title, header, in_processes(training_row, DENSE_CASES))


if __name__ == "__main__":
    main()
