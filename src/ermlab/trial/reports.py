"""Reports what is measured at validations to whoever prunes, and ends the trials that it names.

Who prunes is in `ermlab.sweep`; the loop asks `keep`, and knows nothing of either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ermlab.errors import ConfigError
from ermlab.loop.check import Check


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run measured at a validation.

    Args:
        job: number of the run's job in its sweep.
        index: of the validation, counted from 0.
        value: of the objective; NaN or inf where the run diverged.
    """

    job: int
    index: int
    value: float


# Says of each report, made when the stack's clock shows so many steps, whether its run trains on.
Judge = Callable[[Sequence[Report], int], Sequence[bool]]


class Reports:
    """Asks a judge at each check, about all trials that are due in one call.

    Args:
        judge: says of each report whether its run trains on.
        objective: the column that is reported, such as "valid_loss".
        jobs: the number of the job in each place.
    """

    def __init__(self, judge: Judge, *, objective: str, jobs: Sequence[int]) -> None:
        self._judge = judge
        self._objective = objective
        self._jobs = list(jobs)
        self._n_checks = [0] * len(jobs)

    def enter(self, place: int, job: int) -> None:
        """Report for another job from a place."""
        self._jobs[place], self._n_checks[place] = job, 0

    def keep(self, check: Check) -> Tensor:
        """Return which trials train on, (K,) bool.

        Raises:
            ConfigError: the objective is not measured at checks.
        """
        values = check.values.get(self._objective)
        if values is None:
            raise ConfigError(
                f"the pruner needs {self._objective}, which is not measured during training",
                where="objective and hydra.sweeper.pruner",
                fix=f"set objective to one of {', '.join(check.values)}, or leave the pruner out",
            )
        places = check.due.nonzero().flatten().tolist()
        reports = []
        for place in places:
            reports.append(
                Report(
                    job=self._jobs[place],
                    index=self._n_checks[place],
                    value=float(values[place]),
                )
            )
            self._n_checks[place] += 1
        kept = torch.ones_like(check.due)
        kept[places] = torch.tensor(list(self._judge(reports, check.clock)), dtype=torch.bool)
        return kept
