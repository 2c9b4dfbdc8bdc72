"""Takes nested containers of tensors apart into JSON and tensors by name, and joins them again.

What is read back is built from dicts, lists, tuples, plain values and tensors, and nothing else.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ermlab.errors import CheckpointError


def split_tree(value: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """Describe a value in JSON, and put copies of its tensors into a dictionary.

    Args:
        value: a dict with texts and integers as keys, a list or a tuple of such values, a tensor,
            None, or a bool, int, float or str; no tensor is sparse or quantized.
        tensors: added to, by path.
        path: where the value stands.

    Raises:
        CheckpointError: there is something else in it.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized:
        name = path or "value"
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()  # none shares memory
        return {"tensor": name}
    if isinstance(value, dict) and all(type(key) in (str, int) for key in value):
        inner = value.items()
        return {"dict": [[k, split_tree(v, tensors, f"{path}/{k}")] for k, v in inner]}
    if type(value) in (list, tuple):
        parts = [split_tree(v, tensors, f"{path}/{i}") for i, v in enumerate(value)]
        return {type(value).__name__: parts}
    raise CheckpointError(
        f"{path or 'the state'} is a {type(value).__name__}, which cannot be written",
        where="the state of the run",
        fix="keep numbers, texts, lists and tensors in the state_dict of an optimizer",
    )


def join_tree(described: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Build the value that `split_tree` took apart.

    Raises:
        KeyError, TypeError, ValueError: the description is none of its.
    """
    if not isinstance(described, dict):
        return described
    ((kind, content),) = described.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: join_tree(each, tensors) for key, each in content}
    values = [join_tree(each, tensors) for each in content]
    return {"list": list, "tuple": tuple}[kind](values)
