"""A Hydra application that knows nothing of ermlab, as the tests of `results/` run it.

With `epochs` it trains by Lightning and logs with the CSVLogger; it leaves in `truth.json` what it
measured, for the tests to compare with.
"""

import json
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

STORE = ConfigStore.instance()
DEFAULTS = [{"model": "small"}, {"optimizer": "sgd"}, "_self_"]
STORE.store(name="config", node={"defaults": DEFAULTS, "seed": 0, "width": 2, "epochs": 0})
STORE.store(group="model", name="small", node={"units": 2})
STORE.store(group="model", name="large", node={"units": 8})
STORE.store(group="optimizer", name="sgd", node={"lr": 0.1})
STORE.store(group="optimizer", name="adam", node={"lr": 0.01})


@hydra.main(config_path=None, config_name="config", execution_whitelist=[])
def main(config: DictConfig) -> float:
    if config.epochs:
        train(config, Path(HydraConfig.get().runtime.output_dir))
    return float((config.optimizer.lr - 0.3) ** 2 + config.width)


def train(config: DictConfig, folder: Path) -> None:
    import lightning
    import torch
    from lightning.pytorch.loggers import CSVLogger

    class Line(lightning.LightningModule):
        def __init__(self, lr: float) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.line = torch.nn.Linear(2, 1)
            self.truth: dict[str, list[float]] = {"valid": [], "train": [], "test": []}

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            loss = (self.line(batch[0]) ** 2).mean()
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def on_train_epoch_end(self) -> None:
            self.truth["train"].append(float(self.trainer.callback_metrics["train_loss_epoch"]))

        def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
            # Up again at the end, so that the last value is not the best.
            loss = (self.line(batch[0]) ** 2).mean() + max(0, self.current_epoch - 1)
            self.log("val_loss", loss)
            self.log("val_acc", 1 / (1 + loss))

        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                self.truth["valid"].append(float(self.trainer.callback_metrics["val_loss"]))

        def test_step(self, batch: list[torch.Tensor], number: int) -> None:
            loss = (self.line(batch[0]) ** 2).mean()
            self.truth["test"].append(float(loss))
            self.log("test_loss", loss)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    lightning.seed_everything(config.seed, verbose=False)
    rows = torch.utils.data.TensorDataset(torch.randn(20, 2))
    loader = torch.utils.data.DataLoader(rows, batch_size=20)
    trainer = lightning.Trainer(
        max_epochs=config.epochs, logger=CSVLogger(folder), log_every_n_steps=1,
        accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False,
    )  # fmt: skip
    line = Line(config.optimizer.lr)
    trainer.fit(line, loader, loader)
    trainer.test(line, loader, verbose=False)
    (folder / "truth.json").write_text(json.dumps(line.truth), encoding="utf-8")


if __name__ == "__main__":
    main()
