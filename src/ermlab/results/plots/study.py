"""An Optuna study in memory, for what Optuna computes from finished trials."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optuna import Study


def make_study(directions: Sequence[Literal["minimize", "maximize"]]) -> "Study":
    """Make an empty study, without the line that Optuna logs of each new one.

    Args:
        directions: of the objectives, each `minimize` or `maximize`.
    """
    import optuna  # half a second, which most pictures need not pay

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(directions=list(directions))
    finally:
        optuna.logging.set_verbosity(level)
