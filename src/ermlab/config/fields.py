"""Typed fields with an allowed range, for the schemas: type and range stand in one place.

The value itself, the default, stands in the YAML file and only there, so each field is MISSING.
"""

import math
from dataclasses import Field, field
from typing import Any

from omegaconf import MISSING


def value() -> Any:
    """A field of any value of its type."""
    return field(default=MISSING)


def number(
    *,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> Any:
    """A field for a finite number between bounds: greater than, at least, less than, at most."""
    return field(default=MISSING, metadata={"gt": gt, "ge": ge, "lt": lt, "le": le})


def choice(*names: str) -> Any:
    """A field for one of a few names."""
    return field(default=MISSING, metadata={"names": names})


def choices(*names: str) -> Any:
    """A field for one of a few names, or a list of several."""
    return field(default=MISSING, metadata={"names": names, "several": True})


def allowed_range(of: "Field[Any]") -> str:
    """Say which values a field takes, for a message: `> 0 and < 1`, `one of relu, tanh`."""
    if names := of.metadata.get("names"):
        several = ", or a list of several" if of.metadata.get("several") else ""
        return f"one of {', '.join(names)}{several}"
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [f"{signs[key]} {limit:g}" for key, limit in _bounds(of).items()]
    return " and ".join(bounds) or "a finite number"


def is_allowed(of: "Field[Any]", seen: object) -> bool:
    """Whether a value of the right type is in the field's range; None always is."""
    if of.metadata.get("several"):
        each = seen if isinstance(seen, list) else [seen]
        names = of.metadata["names"]
        return bool(each) and all(each.count(one) == 1 and one in names for one in each)
    if seen is None:
        return True
    if names := of.metadata.get("names"):
        return seen in names
    if isinstance(seen, bool) or not isinstance(seen, int | float):
        return True
    if not math.isfinite(seen):
        return False
    holds = {
        "gt": lambda limit: seen > limit,
        "ge": lambda limit: seen >= limit,
        "lt": lambda limit: seen < limit,
        "le": lambda limit: seen <= limit,
    }
    return all(holds[key](limit) for key, limit in _bounds(of).items())


def _bounds(of: "Field[Any]") -> dict[str, float]:
    keys = ("gt", "ge", "lt", "le")
    return {key: of.metadata[key] for key in keys if of.metadata.get(key) is not None}
