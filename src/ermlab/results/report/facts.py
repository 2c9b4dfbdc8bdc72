"""What a report says in words: what was asked, what it took, and with which versions."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ermlab import rundir
from ermlab.results.plots.subject import (
    Subject,
    dig,
    find_sweep_dirs,
    list_searched,
    read_sweep,
    read_words,
)
from ermlab.results.plots.timeline import find_spans
from ermlab.results.report.repeat import repeat_sweep
from ermlab.results.table import cell_text, escape_controls

Pairs = list[tuple[str, str]]

_SWEEPER = {
    "n_trials": "trials",
    "replicates": "seeds of each trial",
    "n_jobs": "trials at a time",
    "direction": "direction",
    "sweep_test": "test split read by",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one sweep was asked to do.

    Attributes:
        folder: the sweep directory.
        command: what repeats the sweep in a shell.
        searched: each key with its search space.
        fixed: overrides that all runs share.
        settings: sampler, number of trials, ... with their values.
    """

    folder: str
    command: str
    searched: Pairs
    fixed: list[str]
    settings: Pairs


def list_asked(subject: Subject) -> list[Asked]:
    """Tell what each sweep was asked to do, from what Hydra wrote when it started."""
    return [_read_asked(folder, read_sweep(folder)) for folder in find_sweep_dirs(subject.runs)]


def _read_asked(folder: Path, sweep: dict[str, Any]) -> Asked:
    searched = list_searched(sweep)
    task = read_words(sweep, "hydra", "overrides", "task")
    choices = dig(sweep, "hydra", "runtime", "choices") or {}
    settings: Pairs = []
    for group, name in (("hydra/sweeper", "sweeper"), ("hydra/sweeper/sampler", "sampler")):
        if isinstance(choices, dict) and choices.get(group):
            settings.append((name, escape_controls(str(choices[group]))))
    seed = dig(sweep, "hydra", "sweeper", "sampler", "seed")
    settings += [("seed of the sampler", str(seed))] if seed is not None else []
    for key, name in _SWEEPER.items():
        value = dig(sweep, "hydra", "sweeper", key)
        if value is not None and not isinstance(value, dict | list):
            settings.append((name, escape_controls(str(value))))
    if isinstance(choices, dict) and choices.get("hydra/launcher"):
        settings.append(("launcher", escape_controls(str(choices["hydra/launcher"]))))
    return Asked(
        folder=escape_controls(str(folder)),
        command=escape_controls(repeat_sweep(sweep)),
        searched=[(escape_controls(key), escape_controls(said)) for key, said in searched.items()],
        fixed=[escape_controls(word) for word in task if word.partition("=")[0] not in searched],
        settings=settings,
    )


def list_statuses(runs: pd.DataFrame) -> Pairs:
    """Count the runs of each status, in the usual order."""
    counts = Counter(str(status) for status in runs["status"].fillna("unknown"))
    order = [*rundir.STATUSES, *sorted(set(counts) - set(rundir.STATUSES))]
    return [(escape_controls(status), str(counts[status])) for status in order if counts[status]]


def list_costs(subject: Subject) -> Pairs:
    """Tell what the runs took: time, stacks, machine."""
    runs = subject.runs
    spans = find_spans(subject)
    facts: Pairs = []
    if len(spans.rows):
        facts.append(("from the first step to the last validation", _seconds(spans.ends.max())))
    if "wall_s" in runs and runs["wall_s"].notna().any():
        total_s = float(runs["wall_s"].sum())
        facts.append(("training time of all runs together", _seconds(total_s)))
        facts.append(("training time of a run, median", _seconds(float(runs["wall_s"].median()))))
    if "stack_size" in runs:
        sizes = runs["stack_size"].dropna()
        n_alone = int((sizes <= 1).sum())
        facts.append(("runs trained in a stack", f"{len(sizes) - n_alone} of {len(runs)}"))
        if len(sizes) > n_alone:
            facts.append(("largest stack", f"{sizes.max():.0f} runs"))
    for name in ("device", "dtype", "threads"):
        if values := _list_values(runs, name):
            facts.append((name, values))
    return facts


def list_versions(runs: pd.DataFrame) -> Pairs:
    """Tell with which versions the runs were trained; several where the runs differ."""
    names = [str(name) for name in runs if str(name).startswith("version_")]
    pairs = [(name.removeprefix("version_"), _list_values(runs, name)) for name in names]
    pairs += [("git commit", _list_values(runs, "git_sha"))]
    return [(escape_controls(name), values) for name, values in pairs if values]


def _list_values(runs: pd.DataFrame, name: str) -> str:
    values = runs[name].dropna().unique().tolist() if name in runs else []
    return ", ".join(cell_text(value) for value in values)


def _seconds(value: float) -> str:
    if value < 120:
        return f"{value:.3g} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
