"""Applies a trained model to new rows, treated as the train rows were."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ermlab.data.arrays import Array
from ermlab.errors import ShapeError
from ermlab.trial.saved_model import SavedModel


@torch.no_grad()
def predict_rows(model: SavedModel, x: Array) -> dict[str, Array]:
    """Map rows to named columns, in their order.

    Args:
        model: see `SavedModel`.
        x: new rows as a source gives them, not standardized, (Q, ...), finite.

    Returns:
        For targets that are numbers one column (Q,) for each by its name, in the units of the
        file that was trained on; `prediction` (Q, m) where the targets have no names. For class
        labels the most probable class (Q,), by the name of the target or as `label`, and
        `probability` (Q, classes): the softmax of the outputs.

    Raises:
        ShapeError: the model does not give one row of outputs for each row.
    """
    outputs = _map_rows(model, x)  # (Q, ...)
    columns = model.columns
    if columns.has_labels:
        probability = torch.softmax(outputs, dim=1).cpu().numpy()  # (Q, classes)
        name = "label" if columns.targets in (None, ["probability"]) else columns.targets[0]
        return {name: _name_classes(model, probability.argmax(axis=1)), "probability": probability}
    values = outputs.cpu().numpy()
    scaling = None if model.standardizer is None else model.standardizer.targets
    values = values if scaling is None else scaling.undo(values)
    if columns.targets is None:
        return {"prediction": values}
    return {name: values[:, place] for place, name in enumerate(columns.targets)}


def join_chunks(chunks: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Put the columns of consecutive rows together; there is at least one chunk."""
    parts = list(chunks)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _map_rows(model: SavedModel, x: Array) -> torch.Tensor:
    rows = x if model.standardizer is None else model.standardizer.inputs.apply(x)
    tensor = torch.from_numpy(np.ascontiguousarray(rows)).to(model.device, model.dtype)
    outputs: torch.Tensor = model.module(tensor)
    n_classes = model.columns.n_outputs if model.columns.has_labels else None
    shape = tuple(outputs.shape)
    if shape[:1] != (len(x),) or len(shape) < 2 or (n_classes and shape[1:] != (n_classes,)):
        raise ShapeError(
            f"the model gives outputs of shape {shape} for {len(x)} rows",
            where="model",
            fix=f"let it give (B, m) with m = {model.columns.n_outputs}",
        )
    return outputs


def _name_classes(model: SavedModel, labels: NDArray[np.int64]) -> Array:
    classes = class_names(model)
    return np.asarray(classes)[labels] if classes else labels


def class_names(model: SavedModel) -> list[str | int | float | bool]:
    """Name the classes in the order of the outputs; a class that did not occur has its number.

    Returns:
        One name for each output of a model of class labels; empty for other models.
    """
    columns = model.columns
    if not columns.has_labels:
        return []
    known = list(columns.classes or [])
    return [*known, *range(len(known), columns.n_outputs)]
