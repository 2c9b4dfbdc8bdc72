"""Typed schemas of data on graphs and of the models for them; the others are in `schema.py`.

The default values are in `conf/`, never here.
"""

from dataclasses import dataclass

from ermlab.config.fields import choice, number, value


@dataclass
class GraphFilter:
    """Schema of `model=graph_filter`."""

    _target_: str = value()
    n_inputs: int | None = number(ge=1)
    n_outputs: int | None = number(ge=1)
    taps: int = number(ge=1)
    features: int = number(ge=1)
    n_layers: int = number(ge=1)
    readout_taps: int = number(ge=1)
    bias: bool = value()
    init: str = choice("zeros", "uniform", "fan_in")
    sparse: bool | None = value()


@dataclass
class Gnn(GraphFilter):
    """Schema of `model=gnn`."""

    activation: str = choice("relu", "tanh", "sigmoid", "gelu", "leaky_relu", "identity")
    readout_activation: str = choice("relu", "tanh", "sigmoid", "gelu", "leaky_relu", "identity")


@dataclass
class SourceLocalization:
    """Schema of `data=source_localization`."""

    _target_: str = value()
    n_nodes: int = number(ge=1)
    n_communities: int = number(ge=1)
    p_inside: float = number(ge=0, le=1)
    p_across: float = number(ge=0, le=1)
    scale: str = choice("largest_eigenvalue", "none")
    n_sources: int | float = number(gt=0)
    amplitude: float = number(gt=0)
    n_diffusions: int = number(ge=0)
    noise_variance: float = number(ge=0)
    n_train: int = number(ge=1)
    n_valid: int = number(ge=0)
    n_test: int = number(ge=0)
    n_inputs: int = number(ge=1)
    n_outputs: int = number(ge=1)
    standardize: str = choice("none", "inputs", "inputs_and_targets")
    seed: int = number(ge=0)


@dataclass
class GraphTable:
    """Schema of `data=graph_table`."""

    _target_: str = value()
    path: str | None = value()
    target_path: str | None = value()
    edge_path: str | None = value()
    directed: bool = value()
    scale: str = choice("largest_eigenvalue", "none")
    n_train: int | float = number(gt=0)
    n_valid: int | float = number(ge=0)
    n_test: int | float = number(ge=0)
    n_inputs: int | None = number(ge=1)
    n_outputs: int | None = number(ge=1)
    standardize: str = choice("none", "inputs", "inputs_and_targets")
    seed: int = number(ge=0)
