"""Turns the groups of a configuration into objects: data, model, loss, optimizer, plan.

Below here nothing knows about configuration. What runs when is in `trial.py`.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import to_absolute_path
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn

from ermlab.config.check import check_batch_size
from ermlab.config.plain import child, resolve, set_value, to_plain
from ermlab.data.arrays import unpack_source
from ermlab.data.dataset import DataSet, make_dataset
from ermlab.data.names import NamedArrays
from ermlab.errors import ConfigError, ShapeError
from ermlab.loop.learner import Parts
from ermlab.loop.plan import Plan
from ermlab.objective import Loss, Metric
from ermlab.seeds import generator
from ermlab.tracker.tracker import Tracker
from ermlab.trial.device import choose_device, choose_dtype
from ermlab.trial.seeding import default_dtype, seeded
from ermlab.trial.targets import find_callable, make

# Keys of `data` that ermlab reads; a data function gets one only if it names it.
OWN_DATA_KEYS = frozenset(
    {"n_train", "n_valid", "n_test", "n_inputs", "n_outputs", "standardize", "seed", "n_samples"}
)

GRAPH = "graph"  # an argument of this name is given the shift operator of the data

# For a data configuration that names no sizes: own, the usual shares.
DEFAULT_SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The objects of one trial, ready for a learner."""

    parts: Parts
    plan: Plan
    n_parameters: int
    device: torch.device
    tracker: Tracker | None


# The data sets of earlier trials, the least recently used first; see `find_data`.
DataCache = dict[str, DataSet]
LARGEST_CACHE_BYTES = (
    2**28
)  # own: a small part of a machine's memory, and hundreds of small data sets


def build_trial(
    config: DictConfig, *, allow: Sequence[str], cache: DataCache | None = None
) -> Trial:
    """Make everything that one trial needs.

    The sizes that the data turn out to have are filled into the configuration, where the model's
    interpolations of `data.n_inputs` and `data.n_outputs` find them; then all are resolved.

    Args:
        config: the checked configuration; resolved in place.
        allow: patterns of the targets that may be called.
        cache: data sets made before; trials of one data configuration then share its tensors. Those
            not used for longest leave it when it grows too large.

    Raises:
        ErmlabError: a value, file or shape of the user's does not fit.
    """
    plain = to_plain(config)
    device = choose_device(plain["device"])
    dtype = choose_dtype(plain["dtype"], device)
    plan: Plan = make(_group(config, "loop"), key="loop", allow=allow)
    data = find_data(
        {} if cache is None else cache,
        config,
        written=plain["data"],
        plan=plan,
        dtype=dtype,
        device=device,
        allow=allow,
    )
    _fill_sizes(config, data)
    resolve(config)  # once: each interpolation is parsed anew whenever it is read
    _check_splits(plan, data)
    seed = config.seed
    loss: Loss = make(_group(config, "loss"), key="loss", allow=allow)
    with seeded(seed, "init"), default_dtype(dtype):
        module = _check_module(_make_model(_group(config, "model"), data, allow=allow))
        module.to(device=device, dtype=dtype)
        _try_forward(module, loss, data)  # in here, for a lazy module draws its parameters now
    parameters = _find_parameters(module)
    parts = Parts(
        module=module,
        optimizer=make(_group(config, "optimizer"), parameters, key="optimizer", allow=allow),
        loss=loss,
        metrics=find_metrics(loss),
        data=data,
        batches=plan.batches(data.train.n_rows, generator(seed, "batches")),
    )
    return Trial(
        parts=parts,
        plan=plan,
        n_parameters=sum(p.numel() for p in parameters),
        device=device,
        tracker=_make_tracker(config, allow),
    )


def _group(config: DictConfig, name: str) -> Any:
    """The node of a group, found at once unless it stands for another one."""
    node = child(config, name)
    return config[name] if node is None or node._is_interpolation() else node


def _make_tracker(config: DictConfig, allow: Sequence[str]) -> Tracker | None:
    node = config.get("tracker")  # a configuration of an earlier ermlab has none
    if not node:
        return None
    tracker: Tracker = make(node, key="tracker", allow=allow)
    return tracker


def _fill_sizes(config: DictConfig, data: DataSet) -> None:
    for key, size in (("n_inputs", data.n_inputs), ("n_outputs", data.n_outputs)):
        if not set_value(config, f"data.{key}", size):
            with open_dict(config.data):
                config.data[key] = size


def find_data(
    cache: DataCache,
    config: DictConfig,
    *,
    written: Mapping[str, Any],
    plan: Plan,
    dtype: torch.dtype,
    device: torch.device,
    allow: Sequence[str],
) -> DataSet:
    """Take the data of a trial from the cache, or make them and keep them there.

    Args:
        cache: by what decides about the data; changed.
        config: of the trial.
        written: the plain values of its node `data`.
        plan: names the partition.
        dtype: of the data.
        device: where they are.
        allow: patterns of the targets that may be called.

    Raises:
        DataError, ConfigError: the data are not what the configuration says.
    """
    key = f"{written} {written.get('seed', config.seed)} {plan.partition} {dtype} {device}"
    data = cache.pop(key, None)
    if data is None:
        data = build_data(config, plan=plan, dtype=dtype, device=device, allow=allow)
    cache[key] = data  # now the last, as the most recently used
    while len(cache) > 1 and sum(map(_count_bytes, cache.values())) > LARGEST_CACHE_BYTES:
        del cache[next(iter(cache))]
    return data


def _count_bytes(data: DataSet) -> int:
    splits = (data.train, data.valid, data.test)
    n_bytes = sum(split.x.nbytes + split.y.nbytes for split in splits)
    if data.graph is not None:
        n_bytes += data.graph.indices().nbytes + data.graph.values().nbytes
    return n_bytes


def build_data(
    config: DictConfig,
    *,
    plan: Plan,
    dtype: torch.dtype,
    device: torch.device,
    allow: Sequence[str],
) -> DataSet:
    """Call the data function and split what it returns.

    Raises:
        DataError, ConfigError: the data are not what the configuration says.
    """
    node = config.data
    seed = node.get("seed", config.seed)
    function = find_callable(node, key="data", allow=allow)
    arguments = _arguments(function, node)
    with seeded(seed, "data"):
        returned = make(arguments, key="data", allow=allow)
    where = f"data ({node['_target_']})"
    x, y, graph = unpack_source(returned, where=where)
    return make_dataset(
        x,
        y,
        sizes={name: node.get(f"n_{name}", share) for name, share in DEFAULT_SHARES.items()},
        partition=plan.partition,
        standardize=node.get("standardize") or "none",
        seed=seed,
        dtype=dtype,
        device=device,
        where=where,
        n_inputs=node.get("n_inputs"),
        n_outputs=node.get("n_outputs"),
        graph=graph,
        names=returned.names if isinstance(returned, NamedArrays) else None,
    )


def find_metrics(loss: Loss) -> Mapping[str, Metric]:
    """Return the metrics that a loss carries, if any."""
    metrics: Mapping[str, Metric] = getattr(loss, "metrics", {})
    return metrics


def _arguments(function: Callable[..., Any], node: DictConfig) -> DictConfig:
    names = inspect.signature(function).parameters
    arguments = to_plain(node)
    counts = [arguments.get(f"n_{split}") for split in DEFAULT_SHARES]
    if all(isinstance(count, int) for count in counts):
        arguments.setdefault("n_samples", sum(count for count in counts if count is not None))
    for key, value in arguments.items():
        if isinstance(value, str) and (key == "path" or key.endswith("_path")):
            arguments[key] = str(_from_launch_folder(value))
    kept = {k: v for k, v in arguments.items() if k not in OWN_DATA_KEYS or k in names}
    return OmegaConf.create(kept)


def _from_launch_folder(path: str) -> Path:
    # A job may run in its own folder (hydra.job.chdir=true); paths are typed in the launch folder.
    return Path(to_absolute_path(str(Path(path).expanduser())))


def _check_splits(plan: Plan, data: DataSet) -> None:
    check_batch_size(plan.batch_size, data.train.n_rows)
    for split, needed in (("valid", plan.validates), ("test", plan.tests)):
        if needed and not getattr(data, split).n_rows:
            raise ConfigError(
                f"the loop uses the {split} split, which has no rows",
                where=f"data.n_{split}",
                fix=f"set data.n_{split} to at least 1, or choose a loop without it (loop=simple)",
            )


def _make_model(node: DictConfig, data: DataSet, *, allow: Sequence[str]) -> Any:
    """Make the model, and give it the graph of the data if its class has an argument of that name.

    The graph is no configuration, so it goes beside the keys.
    """
    function = find_callable(node, key="model", allow=allow)
    if child(node, GRAPH) is not None or GRAPH not in _parameters(function):
        return make(node, key="model", allow=allow)
    if data.graph is None:
        raise ConfigError(
            f"{node['_target_']} is a model for signals on a graph, and the data have no graph",
            where="model, data",
            fix="choose data with a graph, such as data=source_localization, or another model",
        )
    return make(node, key="model", allow=allow, beside={GRAPH: data.graph})


def _parameters(function: Callable[..., Any]) -> Collection[str]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some classes written in C
        return ()


def _check_module(module: object) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"model._target_ made a {type(module).__name__}, not a torch.nn.Module",
            where="model._target_",
            fix="name a class derived from torch.nn.Module, or a function that returns one",
        )
    return module


def _find_parameters(module: nn.Module) -> list[nn.Parameter]:
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise ConfigError(
            "the model has no parameters to train",
            where="model",
            fix="choose a model with at least one parameter that requires a gradient",
        )
    return parameters


@torch.no_grad()
def _try_forward(module: nn.Module, loss: Loss, data: DataSet) -> None:
    """Map two rows before training, so that shapes that do not fit are told in plain words."""
    x, y = data.train.x[:2], data.train.y[:2]
    module.eval()
    try:
        prediction = module(x)
    except RuntimeError as error:
        raise ShapeError(
            f"the model cannot map a batch of inputs of shape {tuple(x.shape)}: "
            f"{str(error).strip().splitlines()[0]}",
            where="model",
            fix="let the model take (B, n) with n = ${data.n_inputs}",
        ) from error
    check = getattr(loss, "check", None)
    if check is not None:
        check(prediction, y)
