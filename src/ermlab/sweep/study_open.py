"""Opens the study of a sweep: in the sweep's folder, or in a database that processes share."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, GridSampler, QMCSampler

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.sampler.quicken import quicken
from ermlab.seeds import child_seed
from ermlab.sweep.question import Question
from ermlab.sweep.shared_study import SharedStudy
from ermlab.sweep.storage_url import KEY, hide_password
from ermlab.sweep.study import Extend, Study

SAMPLERS = ("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")
N_SEEDS = 2**32  # of NumPy's RandomState, which the samplers draw with

Space = Mapping[str, BaseDistribution]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a sweep asks for, and how.

    Args:
        space: the distribution of each key.
        question: what must be the same when the sweep goes on.
        extend: adds conditional suggestions, if there are any.
        make_pruner: makes the pruner, if trials are to be pruned.
        options: the keys of `hydra.sweeper`.
    """

    space: Space
    question: Question
    extend: Extend | None
    make_pruner: Callable[[], BasePruner] | None
    options: Mapping[str, Any]


def open_sweep(asked: Asked, sweep_dir: Path, n_trials: int) -> Study | SharedStudy:
    """Open the study of a sweep, or begin it.

    Args:
        asked: see `Asked`.
        sweep_dir: the folder of the sweep, which exists.
        n_trials: the total, >= 1.

    Raises:
        ErmlabError: the study cannot be read, or asks something else.
    """
    options = asked.options
    node, storage, name = (options[key] for key in ("sampler", "storage", "study_name"))
    if storage is None:
        if name is not None:
            raise ConfigError(
                f"hydra.sweeper.study_name is {name!r}, but the study is in the sweep's folder",
                where="hydra.sweeper.study_name",
                fix=f"leave it out, or name a database as well: {KEY}=sqlite:///studies.db",
            )
        return Study(
            sweep_dir / rundir.STUDY,
            make_sampler=lambda: quicken(_make_sampler(node, asked.space)),
            make_pruner=asked.make_pruner,
            space=asked.space,
            question=asked.question,
            extend=asked.extend,
            go_on_changed=options["go_on_changed"],
        )
    if not isinstance(storage, str):
        raise ConfigError(
            f"{KEY} is {hide_password(str(storage))}, which is no text",
            where=KEY,
            fix="give the URL of a database, such as sqlite:///studies.db",
        )
    return SharedStudy(
        storage,
        # A sweep of its own folder has a study of its own, which `ermlab resume` finds again.
        name or str(sweep_dir.resolve()),
        make_sampler=_numbered(node, asked.space),
        make_pruner=asked.make_pruner,
        space=asked.space,
        question=asked.question,
        extend=asked.extend,
        n_trials=n_trials,
        heartbeat_s=options["heartbeat_interval"],
        go_on_changed=options["go_on_changed"],
    )


def count_points(node: Any, space: Space) -> int | None:
    """Count the points of a grid; None for a sampler that has none."""
    made = instantiate(node, _execution_whitelist_=SAMPLERS)
    if not _is_grid(made):
        return None
    n_points = 1
    for choices in _grid(space).values():
        n_points *= len(choices)
    return n_points


def _make_sampler(node: Any, space: Space, **changes: Any) -> BaseSampler:
    made: Any = instantiate(node, _execution_whitelist_=SAMPLERS, **changes)
    sampler: BaseSampler = made(_grid(space)) if _is_grid(made) else made
    return sampler


def _numbered(node: Any, space: Space) -> Callable[[int], BaseSampler]:
    """Make what makes the sampler of each trial: with a seed of its own, if it draws."""
    sampler = _make_sampler(node, space)
    seed = node.get("seed")
    # The points of a grid, or of a sequence, are numbered: each process must have the same ones.
    if seed is None or isinstance(sampler, GridSampler | QMCSampler):
        return lambda number: sampler
    return lambda number: _make_sampler(
        node, space, seed=child_seed(seed, f"trial {number}") % N_SEEDS
    )


def _is_grid(made: Any) -> bool:
    return isinstance(made, functools.partial) and made.func is optuna.samplers.GridSampler


def _grid(space: Space) -> dict[str, list[Any]]:
    return {key: OptunaSweeperImpl._to_grid_sampler_choices(each) for key, each in space.items()}
