"""A Hydra script that does nothing and is not ermlab's: what is left is the sweep's own cost."""

from dataclasses import dataclass

import hydra
from hydra.core.config_store import ConfigStore


@dataclass
class Config:
    """One key, to sweep over."""

    x: int = 0


ConfigStore.instance().store(name="config", node=Config)


@hydra.main(config_name="config", execution_whitelist=["optuna.*"])
def main(config: Config) -> float:
    """Return the key."""
    return float(config.x)


if __name__ == "__main__":
    main()
