"""Signals on a graph from the user's files: what is read, and what each mistake is told."""

import numpy as np
import pandas as pd
import pytest

from ermlab.data.graph_table import graph_table
from ermlab.errors import ConfigError, DataError, ErmlabError, ShapeError

NODES = ["a", "b", "c"]


@pytest.fixture
def files(tmp_path):
    """Give a function that writes three files, some of them changed, and reads them."""

    def read(x=None, y=None, edges=None, *, suffix="csv", directed=False, scale="none", **keys):
        frames = {
            "path": pd.DataFrame([[1, 2, 3], [4, 5, 6.5]], columns=NODES) if x is None else x,
            "target_path": pd.DataFrame([[7, 8, 9], [0, 1, 2]], columns=NODES) if y is None else y,
            "edge_path": EDGES if edges is None else edges,
        }
        paths = {}
        for key, frame in frames.items():
            path = tmp_path / f"{key}.{suffix}"
            frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
            paths[key] = str(path)
        return graph_table(**{**paths, **keys}, directed=directed, scale=scale)

    return read


EDGES = pd.DataFrame({"from": ["a", "b"], "to": ["c", "a"]})
WEIGHTED = EDGES.assign(weight=[0.5, 2])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_columns_are_the_nodes_in_their_order(files, suffix):
    x, y, shift = files(edges=WEIGHTED, suffix=suffix, directed=True)
    np.testing.assert_array_equal(x, [[1, 2, 3], [4, 5, 6.5]])
    np.testing.assert_array_equal(y, [[7, 8, 9], [0, 1, 2]])
    # The entry (i, j) is the weight of the edge from j to i.
    np.testing.assert_array_equal(shift.to_dense(), [[0, 2, 0], [0, 0, 0], [0.5, 0, 0]])


def test_edges_without_weights_weigh_1_and_lead_both_ways(files):
    np.testing.assert_array_equal(files()[2].to_dense(), [[0, 1, 1], [1, 0, 0], [1, 0, 0]])


def test_nodes_may_be_named_by_numbers(files):
    signals = pd.DataFrame([[1.0, 2, 3]], columns=["1", "2", "30"])
    edges = pd.DataFrame({"from": [1, 30], "to": [2, 1]})
    shift = files(signals, signals, edges)[2]
    np.testing.assert_array_equal(shift.to_dense(), [[0, 1, 1], [1, 0, 0], [1, 0, 0]])


def test_the_weights_are_scaled(files):
    shift = files(scale="largest_eigenvalue")[2]
    np.testing.assert_allclose(shift.values(), np.sqrt(0.5), rtol=1e-12)  # eigenvalues 0, +-sqrt(2)


SWAPPED = pd.DataFrame([[7, 8, 9], [0, 1, 2]], columns=["b", "a", "c"])
MISTAKES = {
    "other order": ({"y": SWAPPED}, ShapeError, "column 1 is the node 'a' .* 'b' in the targets"),
    "fewer nodes": (
        {"y": pd.DataFrame([[7, 8], [0, 1]], columns=["a", "b"])},
        ShapeError,
        "inputs have 3 nodes and the targets 2; only one has c",
    ),
    "fewer rows": (
        {"y": pd.DataFrame([[7, 8, 9]], columns=NODES)},
        ShapeError,
        "inputs have 2 rows and the targets 1",
    ),
    "unknown node": (
        {"edges": pd.DataFrame({"from": ["a", "x"], "to": ["b", "c"]})},
        DataError,
        "no node 'x', which stands in row 2 .* column 'from'",
    ),
    "an end missing": (
        {"edges": pd.DataFrame({"from": ["a", None], "to": ["b", "c"]})},
        DataError,
        "no node 'nan', which stands in row 2",
    ),
    "twice": (
        {"edges": pd.DataFrame({"from": ["a", "b", "b"], "to": ["b", "c", "a"]})},
        DataError,
        "edge 'b', 'a' is there twice, again in row 3",
    ),
    "weights of text": (
        {"edges": EDGES.assign(weight=["strong", "weak"])},
        DataError,
        "values that are no numbers",
    ),
    "weight missing": ({"edges": EDGES.assign(weight=[1, None])}, DataError, "are missing"),
    "one column": ({"edges": EDGES[["from"]]}, DataError, "2 or 3 columns, this one has 1: from"),
    "four columns": (
        {"edges": WEIGHTED.assign(more=1)},
        DataError,
        "2 or 3 columns, this one has 4",
    ),
    "no edges set": ({"edge_path": None}, ConfigError, "data.edge_path is not set"),
    "no targets set": ({"target_path": None}, ConfigError, "data.target_path is not set"),
    "no such file": ({"edge_path": "/nowhere/edges.csv"}, DataError, "no such file"),
    "signals of text": (
        {"x": pd.DataFrame([["u", 1, 2], [3, 4, 5]], columns=NODES)},
        DataError,
        "values that are no numbers",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(files, name):
    changes, kind, reason = MISTAKES[name]
    with pytest.raises(ErmlabError, match=reason) as caught:
        files(**changes)
    assert isinstance(caught.value, kind)


def test_an_edge_and_its_reverse_are_two_in_a_directed_graph(files):
    edges = pd.DataFrame({"from": ["a", "b"], "to": ["b", "a"], "weight": [1, 2]})
    np.testing.assert_array_equal(
        files(edges=edges, directed=True)[2].to_dense(), [[0, 2, 0], [1, 0, 0], [0, 0, 0]]
    )


def test_a_message_names_no_more_than_ten_of_many_nodes(files):
    many = pd.DataFrame([range(500)], columns=[f"n{i:03}" for i in range(500)])
    with pytest.raises(DataError) as caught:
        files(many, many)
    assert "n009 and 490 more" in caught.value.fix
