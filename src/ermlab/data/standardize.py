"""Shifts and scales columns to mean 0 and standard deviation 1, as measured on the train rows.

What was measured is saved in the run directory, so that a trained model can be applied to new rows.
Which rows are train rows is decided in `splits.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ermlab.errors import ConfigError, DataError, name_known
from ermlab.rundir import STANDARDIZATION

Array = NDArray[Any]
CHOICES = ("none", "inputs", "inputs_and_targets")


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """Mean and scale of each column.

    Args:
        mean: shape of one row [unit of the column].
        scale: standard deviation, > 0, shape of one row [unit of the column]; 1 for a column that
            is constant in the train rows.
    """

    mean: Array
    scale: Array

    def apply(self, rows: Array) -> Array:
        """Standardize rows, (Q, ...) -> (Q, ...); Q may be 0."""
        return np.asarray((rows - self.mean) / self.scale)

    def undo(self, rows: Array) -> Array:
        """Give standardized rows their units back, (Q, ...) -> (Q, ...)."""
        return np.asarray(rows * self.scale + self.mean)


@dataclass(frozen=True, kw_only=True, eq=False)
class Standardizer:
    """What standardizes the rows of any split as the train rows were.

    Args:
        inputs: scaling of x.
        targets: scaling of y, or None where y stays as it is.
    """

    inputs: Scaling
    targets: Scaling | None

    def apply(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Standardize x, (Q, ...), and, if they are to be, the targets y, (Q, m)."""
        return self.inputs.apply(x), self.targets.apply(y) if self.targets else y

    def to_dict(self) -> dict[str, Any]:
        """Put the numbers into nested lists, ready for JSON."""
        return {
            name: {"mean": scaling.mean.tolist(), "scale": scaling.scale.tolist()}
            if scaling
            else None
            for name, scaling in (("inputs", self.inputs), ("targets", self.targets))
        }

    @staticmethod
    def from_dict(saved: Mapping[str, Any]) -> "Standardizer":
        """Rebuild what `to_dict` wrote, with the same numbers.

        Raises:
            DataError: a part is missing or is not made of numbers.
        """
        try:
            targets = saved["targets"]
            return Standardizer(
                inputs=_read_scaling(saved["inputs"]),
                targets=None if targets is None else _read_scaling(targets),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the saved standardization cannot be used: {type(error).__name__}: {error}",
                where=STANDARDIZATION,
                fix="run the training again, which writes the file anew",
            ) from error


def fit_standardizer(x: Array, y: Array, *, standardize: str) -> Standardizer | None:
    """Measure mean and standard deviation of each column of the train rows.

    Args:
        x: inputs of the train rows only, (Q, ...), Q >= 1, finite.
        y: their targets, (Q, m), or class labels, (Q,) integers.
        standardize: "none", "inputs" or "inputs_and_targets".

    Returns:
        The standardizer, or None for "none".

    Raises:
        ConfigError: the choice is unknown, or asks to standardize class labels.
        DataError: a column's numbers are too large for their standard deviation.

    Source:
        LeCun et al. (1998), "Efficient BackProp", section 4.3; population standard deviation.
    """
    if standardize not in CHOICES:
        raise ConfigError(
            f"there is no standardization {standardize!r}",
            where="data.standardize",
            fix=f"use one of: {name_known(CHOICES)}",
        )
    if standardize == "none":
        return None
    if standardize == "inputs":
        return Standardizer(inputs=_fit_scaling(x, name="x"), targets=None)
    if y.dtype.kind == "i":
        raise ConfigError(
            "standardize is inputs_and_targets, but the targets are class labels",
            where="data.standardize",
            fix="set data.standardize=inputs",
        )
    return Standardizer(inputs=_fit_scaling(x, name="x"), targets=_fit_scaling(y, name="y"))


def _fit_scaling(rows: Array, *, name: str) -> Scaling:
    numbers = rows.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean = numbers.mean(axis=0)
        scale = numbers.std(axis=0)
    # The rounded mean of a constant column can differ from its value, which leaves a tiny scale.
    is_constant = (numbers == numbers[0]).all(axis=0)
    mean = np.where(is_constant, numbers[0], mean)
    scale = np.where(is_constant | (scale == 0), 1.0, scale)
    if not np.isfinite(mean).all() or not np.isfinite(scale).all():
        raise DataError(
            f"{name} holds numbers up to {np.abs(numbers).max():.1e}, too large to standardize",
            where="data.standardize",
            fix="scale the column in the source, or set data.standardize=none",
        )
    return Scaling(mean=mean, scale=scale)


def _read_scaling(saved: Mapping[str, Any]) -> Scaling:
    mean = np.asarray(saved["mean"], dtype=np.float64)
    scale = np.asarray(saved["scale"], dtype=np.float64)
    if mean.shape != scale.shape:
        raise ValueError(f"mean has shape {mean.shape}, scale {scale.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("mean must be finite, scale positive")
    return Scaling(mean=mean, scale=scale)
