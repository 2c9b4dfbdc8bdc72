"""The data set of a trial: train, valid and test as whole tensors on the device.

The steps are called here in order and stand in files of their own: `arrays.py`, `splits.py`,
`standardize.py`. Batches are drawn by the loop, not here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ermlab.data.arrays import Array, check_arrays
from ermlab.data.graph import check_graph
from ermlab.data.names import ColumnNames
from ermlab.data.splits import split_rows
from ermlab.data.standardize import Standardizer, fit_standardizer
from ermlab.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The rows of one split.

    Args:
        x: inputs, (Q, ...); Q is 0 in a split that was given no rows.
        y: targets, (Q, m), or class labels, (Q,) int64.
    """

    x: Tensor
    y: Tensor

    @property
    def n_rows(self) -> int:
        """Q, which may be 0 for valid and test."""
        return len(self.x)


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSet:
    """Three disjoint splits, and what else follows from the data.

    Args:
        train: at least one row.
        valid: maybe no row.
        test: maybe no row.
        n_inputs: n, numbers in one row of x, >= 1.
        n_outputs: m, numbers in one row of y, >= 1; or the number of classes.
        standardizer: what was done to the rows; None if nothing.
        graph: the shift operator S of a graph that the rows are signals on, (N, N) sparse COO in
            the dtype of x, on the CPU: entry (i, j) is the weight of the edge from j to i. None if
            the source gives none.
        names: of the columns; None if the source does not tell them.
    """

    train: Split
    valid: Split
    test: Split
    n_inputs: int
    n_outputs: int
    standardizer: Standardizer | None
    graph: Tensor | None = None
    names: ColumnNames | None = None

    @property
    def has_labels(self) -> bool:
        """Whether the targets are class labels."""
        return self.train.y.dtype == torch.int64


def make_dataset(
    x: object,
    y: object,
    *,
    sizes: Mapping[str, int | float],
    partition: str,
    standardize: str,
    seed: int,
    dtype: torch.dtype,
    device: torch.device | str,
    where: str,
    n_inputs: int | None = None,
    n_outputs: int | None = None,
    graph: object = None,
    names: ColumnNames | None = None,
) -> DataSet:
    """Check the arrays of a source, split and standardize them, and put them on the device.

    Args:
        x, y: inputs, and targets or class labels, of all rows, as `check_arrays` takes them.
        sizes: rows of each split, as `split_sizes` takes them.
        partition: "in_order" or "random".
        standardize: "none", "inputs" or "inputs_and_targets"; measured on the train rows.
        seed: of the random partition.
        dtype: of x and of targets that are numbers; labels are int64.
        device: where the whole tensors are put.
        where: the key or file that the arrays come from, for messages.
        n_inputs: n as configured, or None for the one found.
        n_outputs: m likewise; found for labels, the largest + 1. More may be configured than occur.
        graph: as `check_graph` takes it, or None.
        names: of the columns of x and y, if the source tells them.

    Returns:
        The data set, whose tensors share no memory with x and y.

    Raises:
        ConfigError: sizes or choices do not fit the data.
        DataError: the arrays are not numbers that can be trained on, or the graph is no matrix.
        ShapeError: x and y have different numbers of rows.
    """
    x_rows, y_rows = check_arrays(x, y, where=where)
    n_found, m_found = _check_n_inputs(x_rows, n_inputs), _check_n_outputs(y_rows, n_outputs)
    rows = split_rows(len(x_rows), sizes=sizes, partition=partition, seed=seed)
    standardizer = fit_standardizer(
        x_rows[rows["train"]], y_rows[rows["train"]], standardize=standardize
    )
    as_tensor = partial(_to_tensor, dtype=dtype, device=device, where=where)
    splits = {}
    for name, chosen in rows.items():
        pair = x_rows[chosen], y_rows[chosen]
        x_part, y_part = standardizer.apply(*pair) if standardizer else pair
        splits[name] = Split(x=as_tensor(x_part), y=as_tensor(y_part))
    return DataSet(
        **splits,
        n_inputs=n_found,
        n_outputs=m_found,
        standardizer=standardizer,
        graph=None if graph is None else check_graph(graph, where=where).to(dtype),
        names=names,
    )


def _check_n_inputs(x: Array, asked: int | None) -> int:
    found = math.prod(x.shape[1:])
    if asked not in (None, found):
        raise ConfigError(
            f"n_inputs is {asked}, but a row of x holds {found} numbers: x is (Q, ...) = {x.shape}",
            where="data.n_inputs",
            fix=f"set data.n_inputs={found}, or null to take it from the data",
        )
    return found


def _check_n_outputs(y: Array, asked: int | None) -> int:
    is_labels = y.ndim == 1
    found = int(y.max()) + 1 if is_labels else math.prod(y.shape[1:])
    fits = asked is None or asked == found or (is_labels and asked > found)
    if not fits:
        reason = (
            f"the class labels go up to {found - 1}"
            if is_labels
            else f"a row of y holds {found} numbers: y is (Q, m) = {y.shape}"
        )
        raise ConfigError(
            f"n_outputs is {asked}, but {reason}",
            where="data.n_outputs",
            fix=f"set data.n_outputs={found}, or null to take it from the data",
        )
    return found if asked is None else asked


def _to_tensor(
    rows: Array, *, dtype: torch.dtype, device: torch.device | str, where: str
) -> Tensor:
    tensor = torch.from_numpy(rows)
    if tensor.dtype != torch.int64:
        tensor = tensor.to(dtype)
        if not torch.isfinite(tensor).all():
            name = str(dtype).removeprefix("torch.")
            raise DataError(
                f"the data hold {abs(rows).max():.1e}, which is too large for {name}",
                where=where,
                fix="set dtype=float64, or scale the column in the source",
            )
    return tensor.to(device)
