"""The reference figures of the source's scripts: our mean over seeds lies within their band."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW

# The figures are means over ten seeds, of a quantity whose spread over the matrices A is 0.015; ten
# of ours would land outside a right band now and then, twenty do not.
SEEDS = range(20)

# Mean and standard deviation over ten seeds of an earlier implementation of the same scripts.
# main_validation and main_testing train as main_random_splits does (see test_experiments.py).
BANDS = {
    "main_training": {"train_loss": (0.7275, 0.0079)},
    "main_random_splits": {
        "train_loss": (0.7245, 0.0104),
        "valid_loss": (0.8764, 0.0105),
        "test_loss": (0.8747, 0.0113),
        "test_loss_last": (0.8740, 0.0113),
    },
    "main_epochs": {
        "train_loss": (0.7241, 0.0104),
        "valid_loss": (0.8759, 0.0102),
        "test_loss": (0.8743, 0.0114),
        "test_loss_last": (0.8737, 0.0114),
    },
    "main_epochs_nn": {
        "train_loss": (776, 75),
        "valid_loss": (805, 90),
        "test_loss": (918, 137),
        "test_loss_last": (884, 132),
    },
}


def run_seeds(overrides: list[str], folder: Path) -> dict[str, float]:
    register_schemas()
    rows = []
    for seed in SEEDS:
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=[*overrides, f"seed={seed}"])
        run_dir = folder / str(seed)
        run_dir.mkdir()
        rows.append(run_trial(config, run_dir=run_dir, choices={}, allow=DEFAULT_ALLOW))
    columns = ("train_loss", "valid_loss", "test_loss", "test_loss_last")
    return {c: float(np.mean([row[c] for row in rows])) for c in columns if rows[0][c] is not None}


@pytest.mark.parametrize("name", sorted(BANDS))
def test_the_mean_over_seeds_lies_within_the_reference_band(name, tmp_path):
    means = run_seeds([f"experiment={name}"], tmp_path)
    print(means)
    for column, (mean, deviation) in BANDS[name].items():
        assert abs(means[column] - mean) <= deviation, f"{column}: {means}"


def test_the_fan_in_start_trains_the_two_layer_network(tmp_path):
    means = run_seeds(["experiment=main_epochs_nn", "model.init=fan_in"], tmp_path)
    print(means)
    # The earlier implementation: 0.884, with the spread over seeds of the other test losses.
    assert abs(means["test_loss"] - 0.884) <= 0.0114
