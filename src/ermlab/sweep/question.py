"""What a sweep asks: its search space and what all its trials share.

A study that goes on, or is shared by several processes, must be asked the same.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json

from ermlab.errors import RunDirError
from ermlab.trial.provenance import find_versions

log = logging.getLogger(__name__)

VERSIONS = ("version_ermlab", "version_optuna")  # another one may suggest or train differently


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a sweep asks; equal when it goes on.

    Args:
        space: the distribution of each key that is searched, as Optuna's JSON.
        fixed: overrides that all trials have.
        directions: "minimize" or "maximize", for each objective.
        replicates: runs of each trial.
    """

    space: Mapping[str, str]
    fixed: Sequence[str]
    directions: Sequence[str]
    replicates: int


def read_question(read: Any) -> Question:
    """Make a question of what was read from JSON.

    Raises:
        Exception: KeyError, TypeError or ValueError, for what is no question.
    """
    return Question(
        space={str(key): str(value) for key, value in dict(read["space"]).items()},
        fixed=[str(each) for each in list(read["fixed"])],
        directions=[str(each) for each in list(read["directions"])],
        replicates=int(read["replicates"]),
    )


def describe_space(space: Mapping[str, BaseDistribution]) -> dict[str, str]:
    """Write down a search space, for comparison with another."""
    return {key: distribution_to_json(value) for key, value in space.items()}


def refuse_changes(
    recorded: Question,
    question: Question,
    versions: Mapping[str, Any],
    *,
    where: str,
    holder: str,
    go_on_changed: bool,
) -> None:
    """Refuse a question that is not the one a study has, and say what differs.

    Args:
        recorded: what the study asks.
        question: what is asked now.
        versions: of the packages that began the study.
        where: the file or database of the study.
        holder: what the message calls it: "this folder", "this study".
        go_on_changed: whether to go on all the same, with a warning.

    Raises:
        RunDirError: something differs.
    """
    before, now = _plain(recorded), _plain(question)
    changes = [
        f"{name} was {each}, is {now[name]}" for name, each in before.items() if each != now[name]
    ]
    found = find_versions()
    changes += [
        f"{name.removeprefix('version_')} was {versions.get(name)}, is {found[name]}"
        for name in VERSIONS
        if versions.get(name) != found[name]
    ]
    if not changes:
        return
    if go_on_changed:
        log.warning("going on although %s", "; ".join(changes))
        return
    raise RunDirError(
        f"{holder} holds another sweep: {'; '.join(changes)}",
        where=where,
        fix="start it as it was, write to another folder (hydra.sweep.dir=...), or go on all the "
        "same with hydra.sweeper.go_on_changed=true",
    )


def _plain(question: Question) -> dict[str, Any]:
    # As it comes back from JSON: lists, not tuples.
    return {
        "space": dict(question.space),
        "fixed": list(question.fixed),
        "directions": list(question.directions),
        "replicates": question.replicates,
    }
