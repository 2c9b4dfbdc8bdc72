"""(a), (b): a plain PyTorch script under Hydra, as its users write it, with a fast loop.

(a) starts it with Hydra's basic launcher and (b) with joblib's; both with Optuna's sweeper.
"""

import copy
from dataclasses import dataclass

import hydra
import torch
from hydra.core.config_store import ConfigStore
from plain_loop import N_INPUTS, N_OUTPUTS, Split, draw_batches, draw_data
from search import RESULTS, Point, write_result
from torch import nn


@dataclass
class Config:
    """The keys of the script."""

    epochs: int = 20
    hidden_units: int = 64
    lr: float = 1e-3
    batch_size: int = 50


ConfigStore.instance().store(name="config", node=Config)


@hydra.main(config_name="config", execution_whitelist=["optuna.*"])
def main(config: Config) -> float:
    """Train one configuration, and return what the sweep minimizes."""
    torch.set_num_threads(1)
    point = Point(hidden_units=config.hidden_units, lr=config.lr, batch_size=config.batch_size)
    valid_loss = train(point, config.epochs)
    write_result(RESULTS, point, valid_loss)
    return valid_loss


def train(point: Point, epochs: int) -> float:
    """Train, keep the best model, test it, and return its validation loss; epochs=0 is empty."""
    train_split, valid, test = draw_data()
    model = nn.Sequential(
        nn.Linear(N_INPUTS, point.hidden_units, bias=False),
        nn.ReLU(),
        nn.Linear(point.hidden_units, N_OUTPUTS, bias=False),
    )
    loss_function = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=point.lr)
    best_loss, best_state = float("inf"), model.state_dict()
    for _ in range(epochs):
        for x, y in draw_batches(train_split, point.batch_size):
            optimizer.zero_grad()
            loss_function(model(x), y).backward()
            optimizer.step()
        valid_loss = evaluate(model, valid)
        if valid_loss < best_loss:
            best_loss, best_state = valid_loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    evaluate(model, test)
    return best_loss if epochs else 0.0


@torch.no_grad()
def evaluate(model: nn.Module, split: Split) -> float:
    """Return the loss on a split."""
    x, y = split
    return nn.functional.mse_loss(model(x), y).item()


if __name__ == "__main__":
    main()
