"""`ermlab transfer` as the shell sees it, and the words that it takes."""

import numpy as np
import pytest

from ermlab import load_runs
from ermlab.cli.transfer import read_changes
from ermlab.errors import ConfigError

WORDS = [
    "data=source_localization", "data.n_nodes=12", "data.n_communities=3", "data.n_sources=3",
    "data.n_train=60", "loop.batch_size=20", "dtype=float64", "device=cpu", "loop.epochs=2",
    "plot=false",
]  # fmt: skip


def test_a_sweep_gets_columns_and_a_table_of_means(ermlab_cli, tmp_path):
    words = [*WORDS, "hydra/launcher=stacked", "hydra.sweep.dir=runs"]
    swept = ermlab_cli("-m", *words, "model=gnn,linear", "seed=range(3)")
    assert swept.returncode == 0, swept.stderr
    done = ermlab_cli("transfer", "runs", "data.n_nodes=12,20")
    assert done.returncode == 0, done.stderr
    # Linear maps fit the graph of 12 nodes only, so they have a row with a hole.
    header, _, *rows = done.stdout.splitlines()
    names = ["model", "runs", "test_loss", "transfer_loss_n_nodes_12", "transfer_loss_n_nodes_20"]
    assert header.split() == names
    assert [row.split()[:2] for row in rows[:2]] == [["gnn", "3"], ["linear", "3"]]
    assert rows[1].split()[-1] == "-"
    assert rows[-1].startswith("predicting zero instead: transfer_loss_n_nodes_12 ")
    runs = load_runs(tmp_path / "runs")
    # The runs were trained in stacks, and are evaluated alone: rounding only.
    np.testing.assert_allclose(runs["transfer_loss_n_nodes_12"], runs["test_loss"], rtol=1e-9)
    assert runs["transfer_loss_n_nodes_20"].notna().tolist() == (runs["model"] == "gnn").tolist()
    assert "transfer_loss_n_nodes_20" in (tmp_path / "runs" / "results.csv").read_text()

    left = ermlab_cli("transfer", "runs", "data.n_nodes=20")
    assert "left out 3 of 6 runs" in left.stdout
    alone = ermlab_cli("transfer", "runs/3", "data.n_nodes=20")
    assert alone.returncode == 1
    assert alone.stderr.startswith("ShapeError: weight was trained with the shape (12, 12)")


def test_a_stacked_sweep_that_was_transferred_is_still_verified(ermlab_cli):
    words = [*WORDS, "hydra/launcher=stacked", "hydra.sweep.dir=runs", "model=gnn"]
    assert ermlab_cli("-m", *words, "seed=range(4)").returncode == 0
    assert ermlab_cli("transfer", "runs", "data.n_nodes=20").returncode == 0
    done = ermlab_cli("verify", "runs", "--trials", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 4 stacked trials trained again alone: 1 agree" in done.stdout


def test_lists_are_combined_and_paths_start_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = list(read_changes(["data.n_nodes=5,6", "data.path=x.csv", "data.n_sources=0.5"]))
    path = str(tmp_path / "x.csv")
    assert changes == [
        {"data.n_nodes": n, "data.path": path, "data.n_sources": 0.5} for n in (5, 6)
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no change of the data is given"),
        (["optimizer.lr=1"], "optimizer.lr=1 does not change the data"),
        (["data.n_nodes=interval(1,2)"], "does not change the data to some values"),
        (["data.n_nodes=[1"], "a change cannot be read"),
    ],
)
def test_a_word_that_is_no_change_is_told(words, reason):
    with pytest.raises(ConfigError, match=reason):
        list(read_changes(words))
