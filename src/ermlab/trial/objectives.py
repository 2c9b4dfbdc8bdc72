"""What a sweep optimizes: one column of a run's summary, or several."""

from collections.abc import Mapping
from typing import Any

from omegaconf import ListConfig

from ermlab.trial.run import objective_value


def list_objectives(objective: Any) -> list[str]:
    """Name the columns of the key `objective`, which is a name or a list of names."""
    several = isinstance(objective, list | tuple | ListConfig)
    return [str(each) for each in objective] if several else [str(objective)]


def objective_values(summary: Mapping[str, Any], objective: Any) -> float | list[float]:
    """Return what a sweep optimizes: a number for one name, a list for a list of names.

    Args:
        summary: the columns of a finished run.
        objective: the key `objective`.

    Raises:
        ConfigError: the run did not measure it.
    """
    values = [objective_value(summary, name) for name in list_objectives(objective)]
    return values[0] if isinstance(objective, str) else values
