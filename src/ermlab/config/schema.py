"""Typed schemas of the configuration: every key, its type and its allowed range.

The default values are in `conf/`, never here. The data sources' schemas are in `schema_data.py`,
those of graphs in `schema_graph.py`, the registration with Hydra in `store.py`, checks across
several keys in `check.py`.
"""

from dataclasses import dataclass
from typing import Any

from ermlab.config.fields import choice, choices, number, value
from ermlab.config.schema_graph import Gnn, GraphFilter

OBJECTIVES = ("valid_loss", "valid_accuracy", "train_loss", "n_parameters", "steps")


@dataclass
class Config:
    """The top level: one field for each config group, and the keys that belong to none."""

    data: Any = value()
    model: Any = value()
    loss: Any = value()
    optimizer: Any = value()
    loop: Any = value()
    tracker: Any = value()
    seed: int = number(ge=0)
    dtype: str = choice("float32", "float64")
    device: str = choice("auto", "cpu", "cuda", "mps")
    threads: int = number(ge=1, le=1024)  # torch crashes with a hundred thousand
    objective: Any = choices(*OBJECTIVES)
    plot: bool = value()


@dataclass
class Linear:
    """Schema of `model=linear`."""

    _target_: str = value()
    n_inputs: int | None = number(ge=1)
    n_outputs: int | None = number(ge=1)
    bias: bool = value()
    init: str = choice("zeros", "uniform", "fan_in")


@dataclass
class Perceptron(Linear):
    """Schema of `model=perceptron`."""

    activation: str = choice("relu", "tanh", "sigmoid", "gelu", "leaky_relu", "identity")


@dataclass
class TwoLayer(Perceptron):
    """Schema of `model=two_layer`."""

    hidden_units: int = number(ge=1)


@dataclass
class Mlp(TwoLayer):
    """Schema of `model=mlp`."""

    n_layers: int = number(ge=1)


@dataclass
class SquaredError:
    """Schema of `loss=squared_error`."""

    _target_: str = value()
    outputs: str = choice("mean", "sum")


@dataclass
class CrossEntropy:
    """Schema of `loss=cross_entropy`."""

    _target_: str = value()
    label_smoothing: float = number(ge=0, lt=1)


@dataclass
class Sgd:
    """Schema of `optimizer=sgd`."""

    _target_: str = value()
    lr: float = number(gt=0)
    weight_decay: float = number(ge=0)


@dataclass
class Momentum(Sgd):
    """Schema of `optimizer=momentum`."""

    momentum: float = number(ge=0, lt=1)
    nesterov: bool = value()


@dataclass
class Adam(Sgd):
    """Schema of `optimizer=adam` and `optimizer=adamw`."""

    beta1: float = number(ge=0, lt=1)
    beta2: float = number(ge=0, lt=1)
    eps: float = number(gt=0)


@dataclass
class SimpleLoop:
    """Schema of `loop=simple`."""

    _target_: str = value()
    batch_size: int = number(ge=1)
    steps: int = number(ge=1)
    record_every: int = number(ge=1)
    partition: str = choice("in_order", "random")
    checkpoint_every: float | None = number(ge=0)


@dataclass
class RandomBatchLoop:
    """Schema of `loop=validation`, `loop=testing` and `loop=random_splits`."""

    _target_: str = value()
    batch_size: int = number(ge=1)
    steps: int = number(ge=1)
    validate_every: int = number(ge=1)
    patience: int | None = number(ge=1)
    partition: str = choice("in_order", "random")
    test: bool = value()
    checkpoint_every: float | None = number(ge=0)


@dataclass
class EpochLoop:
    """Schema of `loop=epochs`."""

    _target_: str = value()
    batch_size: int = number(ge=1)
    epochs: int = number(ge=1)
    validate_every: int | None = number(ge=1)
    patience: int | None = number(ge=1)
    partition: str = choice("in_order", "random")
    test: bool = value()
    checkpoint_every: float | None = number(ge=0)


@dataclass
class NoTracker:
    """Schema of `tracker=none`."""


@dataclass
class TensorBoard:
    """Schema of `tracker=tensorboard`."""

    _target_: str = value()
    folder: str = value()
    wait_s: float = number(gt=0)


@dataclass
class MLflow:
    """Schema of `tracker=mlflow`."""

    _target_: str = value()
    uri: str = value()
    experiment: str = value()
    wait_s: float = number(gt=0)


@dataclass
class WandB:
    """Schema of `tracker=wandb`."""

    _target_: str = value()
    project: str = value()
    entity: str | None = value()
    mode: str = choice("online", "offline", "disabled")
    wait_s: float = number(gt=0)


SCHEMAS: dict[str, dict[str, type]] = {
    "model": {
        "linear": Linear,
        "perceptron": Perceptron,
        "two_layer": TwoLayer,
        "mlp": Mlp,
        "graph_filter": GraphFilter,
        "gnn": Gnn,
    },
    "loss": {"squared_error": SquaredError, "cross_entropy": CrossEntropy},
    "optimizer": {"sgd": Sgd, "momentum": Momentum, "adam": Adam, "adamw": Adam},
    "loop": {
        "simple": SimpleLoop,
        "validation": RandomBatchLoop,
        "testing": RandomBatchLoop,
        "random_splits": RandomBatchLoop,
        "epochs": EpochLoop,
    },
    "tracker": {
        "none": NoTracker,
        "tensorboard": TensorBoard,
        "mlflow": MLflow,
        "wandb": WandB,
    },
}
