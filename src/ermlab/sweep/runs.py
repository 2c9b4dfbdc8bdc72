"""What a sweep's launchers train: the runs of its trials, and how they ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a trial: its job's number and overrides."""

    trial: int
    number: int
    overrides: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended.

    Args:
        run_dir: its folder.
        values: of its objectives, or what hindered it.
        clock: what the stack's clock showed then, if there is one.
    """

    run_dir: Path
    values: Sequence[float] | Exception
    clock: int | None = None


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The runs of a trial, and how those ended that a stopped sweep had trained, by job."""

    runs: Sequence[Run]
    ended: Mapping[int, RunEnd]
