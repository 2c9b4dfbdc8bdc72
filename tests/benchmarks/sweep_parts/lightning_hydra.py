"""(d): PyTorch Lightning under Hydra, with all that may be left out left out.

No logger, no files of weights, no progress bar, no summary: the best state is kept in memory.
"""

import copy
import logging
import warnings
from dataclasses import dataclass

import hydra
import lightning
import torch
from hydra.core.config_store import ConfigStore
from plain_loop import N_INPUTS, N_OUTPUTS, Split, draw_data
from search import RESULTS, Point, write_result
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class Config:
    """The keys of the script."""

    epochs: int = 20
    hidden_units: int = 64
    lr: float = 1e-3
    batch_size: int = 50


ConfigStore.instance().store(name="config", node=Config)


class TwoLayer(lightning.LightningModule):
    """relu(x H1) H2 with a squared loss and Adam."""

    def __init__(self, hidden_units: int, lr: float) -> None:
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(
            nn.Linear(N_INPUTS, hidden_units, bias=False),
            nn.ReLU(),
            nn.Linear(hidden_units, N_OUTPUTS, bias=False),
        )

    def training_step(self, batch: Split, index: int) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: Split, index: int) -> None:
        self.log("valid_loss", self._loss(batch))

    def test_step(self, batch: Split, index: int) -> None:
        self.log("test_loss", self._loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def _loss(self, batch: Split) -> Tensor:
        x, y = batch
        return F.mse_loss(self.layers(x), y)


class KeepBest(lightning.Callback):
    """Keeps the state with the lowest validation loss."""

    def __init__(self) -> None:
        self.loss, self.state = float("inf"), {}

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        loss = trainer.callback_metrics["valid_loss"].item()
        if loss < self.loss:
            self.loss, self.state = loss, copy.deepcopy(pl_module.state_dict())


@hydra.main(config_name="config", execution_whitelist=["optuna.*"])
def main(config: Config) -> float:
    """Train one configuration, and return what the sweep minimizes."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")  # worker processes would only slow rows that lie in memory
    point = Point(hidden_units=config.hidden_units, lr=config.lr, batch_size=config.batch_size)
    valid_loss = train(point, config.epochs)
    write_result(RESULTS, point, valid_loss)
    return valid_loss


def train(point: Point, epochs: int) -> float:
    """Train, keep the best model, test it, and return its validation loss; epochs=0 is empty."""
    splits = [TensorDataset(*split) for split in draw_data()]
    module, best = TwoLayer(point.hidden_units, point.lr), KeepBest()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        callbacks=[best],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        module,
        DataLoader(splits[0], batch_size=point.batch_size, shuffle=True),
        DataLoader(splits[1], batch_size=len(splits[1])),
    )
    if epochs == 0:
        return 0.0
    module.load_state_dict(best.state)
    trainer.test(module, DataLoader(splits[2], batch_size=len(splits[2])), verbose=False)
    return best.loss


if __name__ == "__main__":
    main()
