"""Time of one training step in ermlab's loop, against the same training written out by hand.

All contestants train the same model from the same start on the same rows, with the same number of
steps and of validations; the draws of their batches differ. They take turns in one process, and the
ratios are medians over the turns, so that what else the machine does hits all alike. The lowest
validation loss of each is printed, as a check that they all did the work.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from report import judge, print_machine, print_table, show_spread
from torch import Tensor, nn
from torch.nn import functional as F

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.data.dataset import DataSet
from ermlab.loop.loop import train
from ermlab.loop.single import SingleLearner
from ermlab.trial.build import build_trial
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW

REPEATS = 7
N_STEPS = 2000  # the source makes 5000; a step costs the same in both
BATCH_SIZE, VALIDATE_EVERY, LR = 50, 50, 1e-4  # of the source, and of conf/experiment
GATHERED = 16  # batches fetched by one index_select; 64 of them no longer fit the cache
GOALS = {"source's loop": 0.8, "fastest plain loop": 1.15}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training that all contestants carry out, of N_STEPS steps."""

    title: str
    overrides: Sequence[str]
    by_epochs: bool


TWO_LAYER = ["model.hidden_units=64", "model.init=fan_in", "dtype=float32"]
CASES = (
    Case(
        title="main_random_splits: linear 100 x 100, float64",
        overrides=["experiment=main_random_splits", f"loop.steps={N_STEPS}"],
        by_epochs=False,
    ),
    Case(
        title="main_epochs: the same by epochs",
        overrides=["experiment=main_epochs", f"loop.epochs={N_STEPS // 20}"],
        by_epochs=True,
    ),
    Case(
        title="main_epochs_nn with h = 64, fan_in, float32",
        overrides=["experiment=main_epochs_nn", f"loop.epochs={N_STEPS // 20}", *TWO_LAYER],
        by_epochs=True,
    ),
)


class Plain(nn.Module):
    """The source's parametrizations: x H, or relu(x H1) H2."""

    def __init__(self, start: Sequence[Tensor]) -> None:
        super().__init__()
        self.H = nn.ParameterList([nn.Parameter(value.clone()) for value in start])
        self.H1, self.H2 = self.H[0], self.H[-1]

    def forward(self, x: Tensor) -> Tensor:
        if self.H1 is self.H2:
            return torch.matmul(x, self.H1)
        return torch.matmul(torch.relu(torch.matmul(x, self.H1)), self.H2)


def main() -> None:
    """Measure each case and print its table."""
    print_machine()
    torch.set_num_threads(1)
    register_schemas()
    for case in CASES:
        with initialize_config_dir(str(find_conf_dir())):
            config = compose("config", overrides=list(case.overrides))
        seconds, losses = measure(case, config)
        print_case(case, seconds, losses)


def measure(
    case: Case, config: DictConfig
) -> tuple[Mapping[str, Sequence[float]], Mapping[str, float]]:
    """Let the contestants take turns; return their seconds and their lowest validation losses."""
    trial = build_trial(config, allow=DEFAULT_ALLOW)
    data, start = trial.parts.data, list(SingleLearner(trial.parts).weights(0).values())
    contestants: dict[str, Callable[[], tuple[float, float]]] = {
        "ermlab": lambda: train_ours(config),
        "ermlab, whole run": lambda: run_ours(config),
        "source's loop": lambda: train_as_source(case, data, start),
        "fastest plain loop": lambda: train_fast(case, data, start),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    losses: dict[str, float] = {}
    order = list(contestants)
    for turn in range(REPEATS + 1):
        for name in order:
            taken, losses[name] = contestants[name]()
            if turn:  # the first turn warms up
                seconds[name].append(taken)
        order = [*order[1:], order[0]]
    return seconds, losses


def print_case(
    case: Case, seconds: Mapping[str, Sequence[float]], losses: Mapping[str, float]
) -> None:
    """Print a row for each contestant, with the ratio of ermlab's time to its time."""
    rows = []
    for name, taken in seconds.items():
        spread = show_spread([s / N_STEPS * 1e6 for s in taken], 0)
        ratio = statistics.median(a / b for a, b in zip(seconds["ermlab"], taken, strict=True))
        verdict = judge(ratio, GOALS[name], 2) if name in GOALS else (f"{ratio:.2f}", "", "")
        rows.append([name, *spread, *verdict, f"{losses[name]:.4f}"])
    header = ["us per step", "median", "quartiles", "ermlab / it", "goal", "", "valid loss"]
    print_table(f"{case.title}; {N_STEPS} steps, {REPEATS} turns", header, rows)


def train_ours(config: DictConfig) -> tuple[float, float]:
    """ermlab's loop alone: no files, and objects made before the clock starts."""
    trial = build_trial(config.copy(), allow=DEFAULT_ALLOW)
    learner = SingleLearner(trial.parts)
    began = time.perf_counter()
    outcomes = {}
    train(
        learner,
        [trial.plan],
        record=lambda _: None,
        store=lambda *_: None,
        finish=outcomes.__setitem__,
    )
    return time.perf_counter() - began, outcomes[0].values["valid_loss"]


def run_ours(config: DictConfig) -> tuple[float, float]:
    """Make the data and the objects, train, and write every file, as a job of the shell does."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        summary = run_trial(config.copy(), run_dir=Path(folder), choices={}, allow=DEFAULT_ALLOW)
        return time.perf_counter() - began, summary["valid_loss"]


def train_as_source(case: Case, data: DataSet, start: Sequence[Tensor]) -> tuple[float, float]:
    """The source's loop: lists of row numbers, Adam as it comes, a deepcopy of the best state."""
    model = Plain(start)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    best_loss, best_state = float("inf"), {}
    batches = draw_as_source(data.train.n_rows, case.by_epochs)
    began = time.perf_counter()
    for step in range(N_STEPS):
        rows = next(batches)
        x, y = data.train.x[rows], data.train.y[rows]
        optimizer.zero_grad()
        loss = torch.mean((model(x) - y) ** 2)
        loss.backward()
        optimizer.step()
        if step % VALIDATE_EVERY == 0:
            with torch.no_grad():
                valid_loss = torch.mean((model(data.valid.x) - data.valid.y) ** 2).item()
            if valid_loss < best_loss:
                best_loss, best_state = valid_loss, copy.deepcopy(model.state_dict())
    taken = time.perf_counter() - began
    model.load_state_dict(best_state)
    return taken, best_loss


def draw_as_source(n_rows: int, by_epochs: bool) -> Iterator[list[int]]:
    """Batches as the source draws them: from a permutation, as a list of Python's ints."""
    while True:
        order = [int(row) for row in np.random.permutation(n_rows)]
        if by_epochs:
            yield from (order[i : i + BATCH_SIZE] for i in range(0, n_rows, BATCH_SIZE))
        else:
            yield order[:BATCH_SIZE]


def train_fast(case: Case, data: DataSet, start: Sequence[Tensor]) -> tuple[float, float]:
    """The fastest loop that we know with autograd and torch.optim; it records no training loss."""
    parameters = [nn.Parameter(value.clone()) for value in start]
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=True)
    predict = predict_linear if len(parameters) == 1 else predict_two_layer
    best_loss, best = float("inf"), [p.detach().clone() for p in parameters]
    batches = draw_fast(data, case.by_epochs)
    began = time.perf_counter()
    for step in range(N_STEPS):
        x, y = next(batches)
        for parameter in parameters:
            parameter.grad = None
        F.mse_loss(predict(x, *parameters), y).backward()
        optimizer.step()
        if step % VALIDATE_EVERY == 0:
            with torch.no_grad():
                valid_loss = F.mse_loss(predict(data.valid.x, *parameters), data.valid.y).item()
                if valid_loss < best_loss:
                    best_loss = valid_loss
                    for kept, parameter in zip(best, parameters, strict=True):
                        kept.copy_(parameter)
    return time.perf_counter() - began, best_loss


def predict_linear(x: Tensor, H: Tensor) -> Tensor:
    return x @ H


def predict_two_layer(x: Tensor, H1: Tensor, H2: Tensor) -> Tensor:
    return torch.relu(x @ H1) @ H2


def draw_fast(data: DataSet, by_epochs: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches fetched some at a time, each a view of what was fetched."""
    rng = np.random.default_rng(0)
    x, y, n_rows = data.train.x, data.train.y, data.train.n_rows
    while True:
        if by_epochs:
            drawn = rng.permutation(n_rows)
        else:
            drawn = np.concatenate(
                [rng.choice(n_rows, BATCH_SIZE, replace=False) for _ in range(GATHERED)]
            )
        for rows in torch.from_numpy(drawn).split(GATHERED * BATCH_SIZE):
            x_some, y_some = x.index_select(0, rows), y.index_select(0, rows)
            yield from zip(x_some.split(BATCH_SIZE), y_some.split(BATCH_SIZE), strict=True)


if __name__ == "__main__":
    main()
