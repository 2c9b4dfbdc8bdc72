"""Checks the recorded trials of a sweep against what it asks: its file may be damaged or forged.

What a line of the file looks like is checked in `journal.py`.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.distributions import BaseDistribution

from ermlab.errors import RunDirError
from ermlab.sweep.journal import Asked, Event, Judged, Started, Told

Space = Mapping[str, BaseDistribution]


def check_events(
    path: Path, events: Sequence[Event], *, space: Space, n_values: int, is_extended: bool
) -> None:
    """Refuse trials with values that the sampler of this sweep cannot have suggested or been told.

    Args:
        path: of the file, for messages.
        events: what it holds.
        space: the distribution of each key.
        n_values: objectives of the sweep, >= 1.
        is_extended: whether the user's own code suggests further keys.

    Raises:
        RunDirError: there is such a trial.
    """
    for event in events:
        if isinstance(event, Started | Judged):
            continue
        wrong = (
            _find_wrong_value(event, space, is_extended=is_extended)
            if isinstance(event, Asked)
            else _find_wrong_result(event, n_values)
        )
        if wrong is not None:
            raise RunDirError(
                f"cannot read the study: trial {event.trial} {wrong}",
                where=str(path),
                fix="restore the file from a copy, or begin the sweep in another folder "
                "(hydra.sweep.dir=...); the runs beside it stay readable by ermlab results",
            )


def _find_wrong_value(event: Asked, space: Space, *, is_extended: bool) -> str | None:
    for key in set(event.params) - set(space):
        if not is_extended:
            return f"has a value of {key!r}, which is not searched"
    for key, distribution in space.items():
        if key not in event.params:
            return f"has no value of {key}"
        value = event.params[key]
        try:
            is_within = distribution._contains(distribution.to_internal_repr(value))
        except (OverflowError, TypeError, ValueError):
            is_within = False
        if not is_within:
            return f"has {key}={value!r:.100}, which is not in the search space"
    return None


def _find_wrong_result(event: Told, n_values: int) -> str | None:
    if event.state != "COMPLETE":
        return None
    values = event.values or []
    if len(values) != n_values or any(map(math.isnan, values)):
        return f"was told {list(values)}, not {n_values} numbers"
    return None
