"""The data source for signals on a graph in the user's files: inputs, targets and a list of edges.

How files are read is in `table_file.py`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ermlab.data.graph import make_shift
from ermlab.data.table_file import read_numbers, read_table
from ermlab.errors import ConfigError, DataError, ShapeError, name_known

if TYPE_CHECKING:  # see table_file.py
    import pandas as pd

Array = NDArray[Any]

N_SHOWN = 10  # nodes in a message; own


def graph_table(
    *, path: str | None, target_path: str | None, edge_path: str | None, directed: bool, scale: str
) -> tuple[Array, Array, Tensor]:
    """Read signals and their graph from CSV or Parquet files.

    Args:
        path: the inputs: a column for each node, named by it, and a row for each sample.
        target_path: the targets, with the same columns in the same order, and the same rows.
        edge_path: the edges: a row each with the names of two nodes and maybe a weight; the names
            of its columns are free.
        directed: whether an edge leads from its first node to its second one only.
        scale: "largest_eigenvalue" or "none" (see `make_shift`).

    Returns:
        x, (Q, N), y, (Q, N), and S, (N, N) sparse, nodes in the order of the columns.

    Raises:
        ConfigError: a path is not set.
        DataError: a file or a value in it cannot be used.
        ShapeError: the files have other nodes or numbers of rows.
    """
    paths = {"path": path, "target_path": target_path, "edge_path": edge_path}
    for key, given in paths.items():
        if given is None:
            raise ConfigError(
                f"data.{key} is not set",
                where="data=graph_table",
                fix="name three files: data.path=INPUTS data.target_path=TARGETS "
                "data.edge_path=EDGES",
            )
    inputs, targets, edges = (Path(str(each)).expanduser().absolute() for each in paths.values())
    x, y = read_table(inputs), read_table(targets)
    nodes = list(x.columns)
    _check_same(x, y, where=f"{targets}, {inputs}")
    ends, weights = _read_edges(read_table(edges), nodes, is_directed=directed, where=str(edges))
    shift = make_shift(
        ends,
        weights,
        n_nodes=len(nodes),
        is_directed=directed,
        scale=scale,
        where=str(edges),
    )
    return (
        read_numbers(x, nodes, where=str(inputs)),
        read_numbers(y, nodes, where=str(targets)),
        shift,
    )


def _check_same(x: "pd.DataFrame", y: "pd.DataFrame", *, where: str) -> None:
    """Refuse targets whose nodes or rows are not those of the inputs."""
    nodes, others = list(x.columns), list(y.columns)
    fix = "give both files a column for each node, in one order, and a row for each sample"
    if len(nodes) != len(others):
        raise ShapeError(
            f"the inputs have {len(nodes)} nodes and the targets {len(others)}; only one has "
            f"{_name_some(set(nodes) ^ set(others))}",
            where=where,
            fix=fix,
        )
    for place, (node, other) in enumerate(zip(nodes, others, strict=True), 1):
        if node != other:
            raise ShapeError(
                f"column {place} is the node {node!r} in the inputs and {other!r} in the targets",
                where=where,
                fix=fix,
            )
    if len(x) != len(y):
        raise ShapeError(
            f"the inputs have {len(x)} rows and the targets {len(y)}", where=where, fix=fix
        )


def _read_edges(
    edges: "pd.DataFrame", nodes: list[str], *, is_directed: bool, where: str
) -> tuple[Array, Array]:
    """Return the ends of each edge as numbers of nodes, (2, E), and its weight, (E,)."""
    columns = list(edges.columns)
    if len(columns) not in (2, 3):
        raise DataError(
            f"a list of edges has 2 or 3 columns, this one has {len(columns)}: "
            f"{name_known(columns)}",
            where=where,
            fix="let each row hold the names of two nodes, and maybe a weight",
        )
    numbers = {node: place for place, node in enumerate(nodes)}
    ends = np.stack([_find_nodes(edges[name], numbers, where=where) for name in columns[:2]])
    low, high = np.sort(ends, axis=0) if not is_directed else ends
    _, first = np.unique(low * len(nodes) + high, return_index=True)
    if len(first) < len(edges):
        row = min(set(range(len(edges))) - set(first.tolist()))
        raise DataError(
            f"the edge {nodes[ends[0, row]]!r}, {nodes[ends[1, row]]!r} is there twice, again in "
            f"row {row + 1} below the header",
            where=where,
            fix="list each edge once; an edge and its reverse are one, unless data.directed=true",
        )
    if len(columns) == 2:
        return ends, np.ones(len(edges))
    return ends, read_numbers(edges, columns[2:], where=where)[:, 0]


def _find_nodes(column: "pd.Series[Any]", numbers: dict[str, int], *, where: str) -> Array:
    names = [_as_name(value) for value in column.tolist()]
    for row, name in enumerate(names, 1):
        if name not in numbers:
            raise DataError(
                f"there is no node {name!r}, which stands in row {row} below the header, column "
                f"{column.name!r}",
                where=where,
                fix=f"use the columns of the signals: {_name_some(numbers)}",
            )
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _name_some(nodes: Iterable[str]) -> str:
    known = sorted(nodes)
    more = f" and {len(known) - N_SHOWN} more" if len(known) > N_SHOWN else ""
    return name_known(known[:N_SHOWN]) + more


def _as_name(value: object) -> str:
    # A column of whole numbers with one cell missing is read as fractions.
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value).strip()  # type: ignore[call-overload]  # a float
