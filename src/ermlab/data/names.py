"""The names of the columns that a data source reads, beside the arrays themselves.

A source may tell them by returning `NamedArrays` in place of a plain pair; none has to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ColumnNames:
    """What the columns of a data set are called.

    Args:
        inputs: of x, one for each of n columns.
        targets: of y, one for each of m columns; the one column of class labels.
        classes: what the labels 0, 1, ... stand for; None for targets that are numbers.
    """

    inputs: Sequence[str]
    targets: Sequence[str]
    classes: Sequence[Any] | None


class NamedArrays(tuple[Array, Array]):
    """A pair (x, y) as every data source returns, whose `names` tell what its columns are."""

    names: ColumnNames

    def __new__(cls, x: Array, y: Array, names: ColumnNames) -> "NamedArrays":
        """Make the pair."""
        pair = super().__new__(cls, (x, y))
        pair.names = names
        return pair
