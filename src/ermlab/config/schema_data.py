"""Typed schemas of the data sources in `conf/data/`: every key, its type and its allowed range.

The default values are in `conf/data/`, never here; those of data on graphs are in
`schema_graph.py`, the other groups' in `schema.py`.
"""

from dataclasses import dataclass

from ermlab.config.fields import choice, number, value
from ermlab.config.schema_graph import GraphTable, SourceLocalization


@dataclass
class Lab1:
    """Schema of `data=lab1` and `data=lab1_linear`: data that are drawn."""

    _target_: str = value()
    n_train: int = number(ge=1)
    n_valid: int = number(ge=0)
    n_test: int = number(ge=0)
    n_inputs: int = number(ge=1)
    n_outputs: int = number(ge=1)
    probability: float | None = number(gt=0, le=1)
    standardize: str = choice("none", "inputs", "inputs_and_targets")
    seed: int = number(ge=0)


@dataclass
class Bundled:
    """Schema of `data=diabetes` and `data=digits`: data with rows of their own."""

    _target_: str = value()
    n_train: int | float = number(gt=0)
    n_valid: int | float = number(ge=0)
    n_test: int | float = number(ge=0)
    n_inputs: int | None = number(ge=1)
    n_outputs: int | None = number(ge=1)
    standardize: str = choice("none", "inputs", "inputs_and_targets")
    seed: int = number(ge=0)


@dataclass
class Table(Bundled):
    """Schema of `data=table`."""

    path: str | None = value()
    # The rule takes a list for a shared default; value() is MISSING, so nothing is shared.
    targets: str | list[str] | None = value()
    inputs: str | list[str] | None = value()
    labels: bool = value()


def data_schemas() -> dict[str, type]:
    """Give the schema of each option of the group `data`, by the option's name."""
    return {
        "lab1": Lab1,
        "lab1_linear": Lab1,
        "diabetes": Bundled,
        "digits": Bundled,
        "table": Table,
        "source_localization": SourceLocalization,
        "graph_table": GraphTable,
    }
