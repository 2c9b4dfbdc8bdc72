"""The pruner of a sweep, made of its configuration: any class of `optuna.pruners`.

What it is told, and whom it ends, is in `pruning.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from hydra.utils import instantiate
from optuna.pruners import BasePruner

from ermlab.errors import ConfigError
from ermlab.sweep.pruning import Pruning, ReportedStudy
from ermlab.sweep.study import worst_value

ALLOWED = ("optuna.pruners.*",)


def find_pruner(node: Any, directions: Sequence[str]) -> Callable[[], BasePruner] | None:
    """Return what makes the pruner; None if there is none.

    Args:
        node: the key `hydra.sweeper.pruner`.
        directions: of the objectives, one of which can be pruned by.

    Raises:
        ConfigError: it is no pruner, or cannot be made.
    """
    if _name(node) in ("", "optuna.pruners.NopPruner"):
        return None
    if len(directions) > 1:
        raise ConfigError(
            "a pruner compares one objective, but direction names several",
            where="hydra.sweeper.pruner",
            fix="leave hydra/sweeper/pruner out",
        )

    def make() -> BasePruner:
        try:
            pruner = instantiate(node, _execution_whitelist_=ALLOWED)
        except Exception as error:
            raise ConfigError(
                f"the pruner cannot be made: {' '.join(str(error).split())}",
                where="hydra.sweeper.pruner",
                fix="give it the arguments of its class in optuna.pruners",
            ) from error
        if not isinstance(pruner, BasePruner):
            raise ConfigError(
                f"hydra.sweeper.pruner made a {type(pruner).__name__}, which is no pruner",
                where="hydra.sweeper.pruner._target_",
                fix="name a class of optuna.pruners",
            )
        return pruner

    make()  # a mistake is told before anything else is done
    return make


def make_pruning(
    study: ReportedStudy, node: Any, directions: Sequence[str], *, replicates: int
) -> Pruning:
    """Make what judges the runs of a sweep that has a pruner (see `find_pruner`)."""
    return Pruning(
        study,
        replicates=replicates,
        by_replicate=_name(node) == "optuna.pruners.WilcoxonPruner",
        worst=worst_value(directions[0]),
    )


def _name(node: Any) -> str:
    return str((node or {}).get("_target_", ""))
