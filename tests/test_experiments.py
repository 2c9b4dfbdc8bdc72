"""Each script of the source text against the same loop written out in plain PyTorch."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.data.lab1 import lab1
from ermlab.results.load import load_history
from ermlab.seeds import child_seed
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW

STEPS = 120  # six epochs of 20 batches: three validations, and steps after the last one
EXPERIMENTS = sorted(path.stem for path in (find_conf_dir() / "experiment").glob("main_*.yaml"))
SEED = 7


class PlainLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.H = nn.Parameter(torch.zeros(100, 100, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.H)


class PlainTwoLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(child_seed(SEED, "init"))
        self.H1 = nn.Parameter(torch.rand(100, 100, dtype=torch.float64))
        self.H2 = nn.Parameter(torch.rand(100, 100, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(torch.relu(torch.matmul(x, self.H1)), self.H2)


class Plain:
    """The source's loops, with the draws that ermlab documents and nothing else of ermlab's."""

    def __init__(self, name: str) -> None:
        n_rows = 1000 if "main_training" in name else 1200
        x, y = lab1(n_inputs=100, n_outputs=100, n_samples=n_rows, probability=None, seed=SEED)
        self.rows = {"train": np.arange(1000), "valid": np.arange(1000, 1100)}
        self.rows["test"] = np.arange(1100, 1200)
        if "splits" in name or "epochs" in name:
            order = np.random.default_rng(child_seed(SEED, "split")).permutation(n_rows)
            # Test and valid come first, so that they stay the same when n_train changes.
            self.rows = {"test": order[:100], "valid": order[100:200], "train": order[200:]}
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.model = PlainTwoLayer() if name.endswith("_nn") else PlainLinear()
        self.by_epochs = "epochs" in name
        self.has_validation = "main_training" not in name
        self.has_test = self.has_validation and name != "main_validation"

    def loss(self, rows: np.ndarray) -> Tensor:
        chosen = [int(row) for row in rows]
        return torch.mean((self.model(self.x[chosen]) - self.y[chosen]) ** 2)

    def batch(self, step: int, rng: np.random.Generator) -> np.ndarray:
        if not self.by_epochs:
            return self.rows["train"][rng.choice(1000, size=50, replace=False)]
        if step % 20 == 0:
            self.order = rng.permutation(1000)
        return self.rows["train"][self.order[step % 20 * 50 : (step % 20 + 1) * 50]]

    def train(self) -> dict[str, float | list[float]]:
        optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        rng = np.random.default_rng(child_seed(SEED, "batches"))
        best_loss, best_step, best_state = float("inf"), -1, {}
        batch_losses: list[float] = []
        curve: list[float] = []
        for step in range(STEPS):
            self.model.zero_grad()
            loss = self.loss(self.batch(step, rng))
            loss.backward()
            optimizer.step()
            batch_losses.append(loss.item())
            if step % 50 == 0 and self.has_validation:
                with torch.no_grad():
                    valid_loss = self.loss(self.rows["valid"]).item()
                curve.append(valid_loss)
                if valid_loss < best_loss:
                    best_loss, best_step = valid_loss, step
                    best_state = {k: v.clone() for k, v in self.model.state_dict().items()}
        result: dict[str, float | list[float]] = {"valid_curve": curve}
        result["train_curve"] = [batch_losses[0], float(np.mean(batch_losses[1:51]))]
        with torch.no_grad():
            if self.has_test:
                result["test_loss_last"] = self.loss(self.rows["test"]).item()
            if self.has_validation:
                self.model.load_state_dict(best_state)
                result |= {"valid_loss": best_loss, "best_step": best_step}
            result["train_loss"] = self.loss(self.rows["train"]).item()
            if self.has_test:
                result["test_loss"] = self.loss(self.rows["test"]).item()
        return result


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_computes_what_the_plain_loop_computes(name, tmp_path):
    length = "loop.epochs=6" if "epochs" in name else f"loop.steps={STEPS}"
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=[f"experiment={name}", length, f"seed={SEED}"])
    summary = run_trial(config, run_dir=tmp_path, choices={}, allow=DEFAULT_ALLOW)
    history = load_history(tmp_path)
    expected = Plain(name).train()
    # Same arithmetic in another order (fused Adam, another mean): rounding only.
    close = {"rtol": 1e-12, "atol": 0}
    np.testing.assert_allclose(history["train_loss"][:2], expected.pop("train_curve"), **close)
    valid_curve = expected.pop("valid_curve")
    if valid_curve:
        np.testing.assert_allclose(history["valid_loss"], valid_curve, **close)
    for column, value in expected.items():
        np.testing.assert_allclose(summary[column], value, **close, err_msg=column)
    absent = {"valid_loss", "test_loss", "test_loss_last"} - set(expected)
    assert all(summary[column] is None for column in absent)


def test_the_seven_scripts_of_the_source_are_there():
    assert set(EXPERIMENTS) == {
        "main_training",
        "main_training_nn",
        "main_validation",
        "main_testing",
        "main_random_splits",
        "main_epochs",
        "main_epochs_nn",
    }


def test_a_finished_experiment_leaves_best_and_last_weights(tmp_path):
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", overrides=["experiment=main_testing", "loop.steps=3"])
    run_trial(config, run_dir=tmp_path, choices={}, allow=DEFAULT_ALLOW)
    assert (tmp_path / rundir.BEST).is_file()
    assert (tmp_path / rundir.LAST).is_file()
