"""What marks a task function as ermlab's, so that a launcher may train its jobs together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What a task function carries as its attribute `trials`.

    Args:
        allow: patterns of the `_target_`s that may be called.
        finish: called with the configuration, folder and summary of each trial that ended well;
            returns what the sweep optimizes.
    """

    allow: Sequence[str]
    finish: Callable[[DictConfig, Path, Mapping[str, Any]], float | list[float]]
