"""Graphs as a user of the command line has them: files of their own, layers of another package."""

import numpy as np
import pandas as pd
import pytest

from ermlab import load_runs

FILES = [
    "data=graph_table",
    "data.path=x.csv",
    "data.target_path=y.csv",
    "data.edge_path=edges.csv",
]
SHORT = ["loop.batch_size=10", "loop.epochs=40", "optimizer.lr=0.03", "plot=false"]


def write_ring(folder, n_nodes, seed):
    """Write signals on a ring and their shifts along it; the order of the columns is shuffled."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    names = [f"node{i}" for i in rng.permutation(n_nodes)]
    x = pd.DataFrame(rng.normal(size=(100, n_nodes)), columns=names)
    previous = {f"node{i}": f"node{(i - 1) % n_nodes}" for i in range(n_nodes)}
    y = pd.DataFrame({name: x[previous[name]] for name in names})
    edges = pd.DataFrame([(b, a) for a, b in previous.items()], columns=["from", "to"])
    for name, frame in {"x": x, "y": y, "edges": edges}.items():
        frame.to_csv(folder / f"{name}.csv", index=False)


@pytest.mark.parametrize("chdir", ["false", "true"])
def test_a_filter_learns_a_shift_from_files_and_does_it_on_another_graph(
    ermlab_cli, tmp_path, chdir
):
    write_ring(tmp_path, 8, seed=0)
    words = [*FILES, "data.directed=true", "model=graph_filter", "model.n_layers=1"]
    words += ["model.readout_taps=3", f"hydra.job.chdir={chdir}", "hydra.run.dir=run"]
    done = ermlab_cli(*words, *SHORT)
    assert done.returncode == 0, done.stderr
    assert load_runs(tmp_path / "run")["test_loss"][0] < 0.02  # y = S x: one coefficient is 1
    write_ring(tmp_path / "larger", 30, seed=1)
    moved = [f"data.{key}=larger/{file}.csv" for key, file in
             (("path", "x"), ("target_path", "y"), ("edge_path", "edges"))]  # fmt: skip
    done = ermlab_cli("transfer", "run", *moved)
    assert done.returncode == 0, done.stderr
    column = "transfer_loss_path_larger_x_target_path_larger_y_edge_path_larger_edges"
    assert load_runs(tmp_path / "run")[column][0] < 0.02


def test_a_mistake_in_a_file_is_one_message(ermlab_cli, tmp_path):
    write_ring(tmp_path, 5, seed=0)
    (tmp_path / "edges.csv").write_text("from,to\nnode0,node9\n")
    done = ermlab_cli(*FILES, "model=gnn", *SHORT)
    assert done.returncode == 1
    what, where, fix = done.stderr.splitlines()
    assert what == (
        "DataError: there is no node 'node9', which stands in row 1 below the header, column 'to'"
    )
    assert where == f"  where: {tmp_path / 'edges.csv'}"
    assert fix == "  fix:   use the columns of the signals: node0, node1, node2, node3, node4"


TAG = """# A layer of PyTorch Geometric: graph filters of 3 taps.
_target_: ermlab.model.geometric.OnGraph
n_inputs: ${data.n_inputs}  # follows from the data
layers:
  - _target_: torch_geometric.nn.TAGConv
    in_channels: 1
    out_channels: 1
    K: 2
    normalize: false
"""


def test_a_layer_of_pytorch_geometric_trains_once_the_user_allows_it(ermlab_cli, tmp_path):
    write_ring(tmp_path, 8, seed=0)
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    (tmp_path / "my_conf" / "model" / "tag.yaml").write_text(TAG)
    words = ["--config-dir", "my_conf", "model=tag", *FILES, "data.directed=true", *SHORT]
    words.append("hydra.run.dir=run")
    refused = ermlab_cli(*words)
    assert refused.returncode == 1
    assert "torch_geometric.nn.TAGConv', which ermlab is not allowed to call" in refused.stderr
    done = ermlab_cli(*words, env={"ERMLAB_ALLOW": "torch_geometric.nn.*"})
    assert done.returncode == 0, done.stderr
    assert load_runs(tmp_path / "run")["test_loss"][0] < 0.02
