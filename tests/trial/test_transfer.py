"""A trained model on other data: what is measured, and what is refused."""

import pytest
import torch
from hydra import compose, initialize_config_dir
from safetensors.torch import load_file, save_file

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError, RunDirError, ShapeError
from ermlab.trial.build import build_trial
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW
from ermlab.trial.transfer import add_transfer, measure_transfer

SMALL = [
    "data=source_localization", "data.n_nodes=12", "data.n_communities=3", "data.n_sources=3",
    "data.n_train=60", "loop.batch_size=20", "dtype=float64", "device=cpu", "loop.epochs=3",
    "optimizer.lr=0.05", "seed=4",
]  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    """Give a function that trains a model and returns its configuration and its summary."""
    register_schemas()

    def train(*words):
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=[*SMALL, *words])
        kept = config.copy()
        return kept, run_trial(config, run_dir=tmp_path, choices={}, allow=DEFAULT_ALLOW)

    return train


def transfer(config, run_dir, **changes):
    changed = {f"data.{key}": value for key, value in changes.items()}
    return measure_transfer(
        config, run_dir, changes=changed, choices={}, allow=DEFAULT_ALLOW, cache={}
    )


@pytest.mark.parametrize("model", ["graph_filter", "gnn"])
def test_on_its_own_data_a_model_has_its_test_loss(trained, tmp_path, model):
    config, summary = trained(f"model={model}")
    found = transfer(config, tmp_path, n_nodes=12)
    assert found.keys() == {"loss", "zero_loss"}
    assert found["loss"] == summary["test_loss"] != found["zero_loss"]


@pytest.mark.parametrize("n_nodes", [30, 8])
def test_on_a_graph_of_another_size_it_has_the_loss_of_its_parameters_there(
    trained, tmp_path, n_nodes
):
    config, _ = trained("model=gnn")
    found = transfer(config.copy(), tmp_path, n_nodes=n_nodes)
    config.data.n_nodes = n_nodes
    other = build_trial(config, allow=DEFAULT_ALLOW).parts
    other.module.load_state_dict(load_file(tmp_path / rundir.BEST))
    with torch.no_grad():
        expected = other.loss(other.module(other.data.test.x), other.data.test.y)
    assert found["loss"] == pytest.approx(float(expected), rel=1e-12)
    assert other.data.test.x.shape[1] == n_nodes


def test_a_model_whose_parameters_depend_on_the_graph_is_refused(trained, tmp_path):
    config, _ = trained("model=linear")
    with pytest.raises(ShapeError, match=r"weight was trained with the shape \(12, 12\)"):
        transfer(config, tmp_path, n_nodes=13)


def test_other_data_of_the_same_size_will_do_for_any_model(trained, tmp_path):
    config, summary = trained("model=linear")
    assert transfer(config, tmp_path, noise_variance=1.0)["loss"] != summary["test_loss"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nodes": 20}, "data.nodes is not a key of the run's data"),
        ({"n_nodes": "many"}, "data.n_nodes cannot be 'many'"),
        ({"n_nodes": 0}, "data.n_nodes is 0, but must be >= 1"),
        ({"n_test": 0}, "no row to test on|has no rows"),
    ],
)
def test_a_change_that_makes_no_sense_is_told(trained, tmp_path, changes, reason):
    config, _ = trained("model=gnn")
    with pytest.raises(ConfigError, match=reason):
        transfer(config, tmp_path, **changes)


def test_standardized_rows_are_refused(trained, tmp_path):
    config, _ = trained("model=gnn", "data.standardize=inputs")
    with pytest.raises(ConfigError, match="standardize=inputs"):
        transfer(config, tmp_path, n_nodes=20)


def test_weights_of_another_model_are_refused(trained, tmp_path):
    config, _ = trained("model=gnn")
    save_file({"other": torch.zeros(3)}, tmp_path / rundir.BEST)
    with pytest.raises(ShapeError, match="with the shape None"):
        transfer(config, tmp_path, n_nodes=20)


def test_missing_weights_are_told(trained, tmp_path):
    config, _ = trained("model=gnn")
    (tmp_path / rundir.BEST).unlink()
    with pytest.raises(RunDirError, match="cannot read the best model"):
        transfer(config, tmp_path, n_nodes=20)


def test_what_was_measured_stands_in_the_summary_beside_what_was_there(trained, tmp_path):
    _, summary = trained("model=gnn")
    add_transfer(tmp_path, {"transfer_loss_n_nodes_20": 1.5})
    read = rundir.read_summary(tmp_path)
    assert read["transfer_loss_n_nodes_20"] == 1.5
    assert read["test_loss"] == summary["test_loss"]


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(RunDirError, match="not finished"):
        add_transfer(tmp_path, {})
