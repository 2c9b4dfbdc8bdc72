"""What a trained model takes and gives: shapes, names and classes, kept in `columns.json`.

With the standardization (`standardize.py`) it is all that new rows need; the training data are not
read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ermlab.data.dataset import DataSet
from ermlab.errors import DataError
from ermlab.rundir import COLUMNS

FORMAT = 1  # raised when the file's layout changes


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a model takes and gives.

    Args:
        row_shape: of one row of x.
        n_inputs: n, numbers in one row of x, >= 1.
        n_outputs: m, numbers in one row of y, or the number of classes, >= 1.
        has_labels: whether the targets are class labels.
        inputs: names of the columns of x; None if the source did not tell.
        targets: the same of y.
        classes: what the labels 0, 1, ... stand for; None: for themselves.
    """

    row_shape: Sequence[int]
    n_inputs: int
    n_outputs: int
    has_labels: bool
    inputs: Sequence[str] | None
    targets: Sequence[str] | None
    classes: Sequence[Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Put it into plain values, ready for JSON."""
        return {"format": FORMAT, **asdict(self)}

    @staticmethod
    def from_dict(saved: Mapping[str, Any]) -> "Columns":
        """Rebuild what `to_dict` wrote.

        Raises:
            DataError: it is of a later format, or a part is missing or of another kind.
        """
        if saved.get("format") != FORMAT:
            raise _unusable(f"its format is {saved.get('format')}, this ermlab reads {FORMAT}")
        try:
            return Columns(
                row_shape=[int(size) for size in saved["row_shape"]],
                n_inputs=int(saved["n_inputs"]),
                n_outputs=int(saved["n_outputs"]),
                has_labels=bool(saved["has_labels"]),
                inputs=_texts(saved["inputs"]),
                targets=_texts(saved["targets"]),
                classes=None if saved["classes"] is None else list(saved["classes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(f"{type(error).__name__}: {error}") from error


def describe_columns(data: DataSet) -> Columns:
    """Say what a model of these data takes and gives."""
    names = data.names
    return Columns(
        row_shape=list(data.train.x.shape[1:]),
        n_inputs=data.n_inputs,
        n_outputs=data.n_outputs,
        has_labels=data.has_labels,
        inputs=None if names is None else list(names.inputs),
        targets=None if names is None else list(names.targets),
        classes=None if names is None or names.classes is None else _plain(names.classes),
    )


def _plain(classes: Sequence[Any]) -> list[Any]:
    """Give dates and the like as text, which JSON has no other form for."""
    return [each if type(each) in (str, int, float, bool) else str(each) for each in classes]


def _texts(saved: Any) -> list[str] | None:
    return None if saved is None else [str(each) for each in saved]


def _unusable(reason: str) -> DataError:
    return DataError(
        f"the description of the columns cannot be used: {reason}",
        where=COLUMNS,
        fix="run the training again, which writes the file anew",
    )
