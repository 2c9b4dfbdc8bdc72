"""Options and a module of a user's, and trials that end too early: for the tests of checkpoints."""

import pytest
import yaml
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.trial.run import run_trial
from ermlab.trial.targets import allowed_targets

TINY = [
    "data.n_inputs=3", "data.n_outputs=2", "data.n_train=26", "data.n_valid=10", "data.n_test=10",
    "loop.batch_size=4", "device=cpu",
]  # fmt: skip
OPTIMIZERS = {
    "rmsprop": {"_target_": "torch.optim.RMSprop", "lr": 0.01, "momentum": 0.5},
    "lbfgs": {"_target_": "torch.optim.LBFGS", "lr": 0.1, "max_iter": 3},
    "torch_adam": {"_target_": "torch.optim.Adam", "lr": 0.01, "amsgrad": True},
    "adagrad": {"_target_": "torch.optim.Adagrad", "lr": 0.01},
    "plain": {"_target_": "my_own.Plain", "lr": 0.01},
}
LINEARS = [
    {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 4},
    {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 2},
]
MODELS = {
    "dropout": [LINEARS[0], {"_target_": "torch.nn.Dropout", "p": 0.3}, LINEARS[1]],
    "norm": [LINEARS[0], {"_target_": "torch.nn.BatchNorm1d", "num_features": 4}, LINEARS[1]],
    "noisy": [LINEARS[0], {"_target_": "my_own.Noisy"}, LINEARS[1]],
}
MY_OWN = """
import random

import numpy as np
import torch

from ermlab.loop.batches import random_batches


class Noisy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()), persistent=False)

    def forward(self, x):
        if not self.training:
            return x
        self.count += 1
        return x * random.gauss(1, 0.1) + np.random.normal() / self.count


class Plain:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p in self.params:
            p -= self.lr * p.grad


class Own:
    batch_size, partition, patience, validates, tests = 4, "random", None, True, False

    def n_steps(self, n_rows):
        return 60

    def epochs_of(self, n_steps, n_rows):
        return n_steps * 4 / n_rows

    def checks(self, n_rows):
        return range(4, 60, 5)

    def batches(self, n_rows, rng):
        return random_batches(n_rows, 4, rng)
"""


@pytest.fixture(scope="session")
def own_options(tmp_path_factory):
    """A folder of options and of a module of the user's."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "my_own.py").write_text(MY_OWN)
    models = {k: {"_target_": "torch.nn.Sequential", "_args_": v} for k, v in MODELS.items()}
    loops = {"own": {"_target_": "my_own.Own"}}
    for group, options in {"optimizer": OPTIMIZERS, "model": models, "loop": loops}.items():
        (folder / group).mkdir()
        for name, node in options.items():
            (folder / group / f"{name}.yaml").write_text(yaml.safe_dump(node))
    return folder


@pytest.fixture
def trial(own_options, tmp_path, monkeypatch):
    """Give a function that trains into a folder below `tmp_path`; options are `run_trial`'s."""
    monkeypatch.syspath_prepend(own_options)
    register_schemas()

    def train(name, *overrides, **options):
        words = [f"hydra.searchpath=[file://{own_options}]", *overrides]
        own = "loop=own" in overrides
        tiny = [word for word in TINY if not (own and word.startswith("loop."))]
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=[*tiny, *words])
        (tmp_path / name).mkdir(exist_ok=True)
        run_dir, allow = tmp_path / name, allowed_targets(["my_own.*"])
        run_trial(config, run_dir=run_dir, choices={}, allow=allow, **options)
        return tmp_path / name

    return train


@pytest.fixture
def crash_at():
    """Give a function: crash_at(n) is told of checks, and ends the process in the n-th, from 0."""

    def crash_at(n_checks):
        left = [n_checks]

        def on_check(check, n_steps):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        return on_check

    return crash_at
