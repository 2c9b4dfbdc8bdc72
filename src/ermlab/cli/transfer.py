"""What `ermlab transfer DIR... data.KEY=A,B` does: evaluates trained models on other data."""

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from ermlab import rundir
from ermlab.config.plain import to_unresolved
from ermlab.config.store import register_schemas
from ermlab.errors import ConfigError, RunDirError, ShapeError
from ermlab.results.find import find_run_dirs
from ermlab.results.sweep_table import write_results
from ermlab.results.transfer_table import print_transfer
from ermlab.sweep.recorded import RecordedTrial, as_in_run, read_trial
from ermlab.trial.build import DataCache
from ermlab.trial.targets import allowed_targets
from ermlab.trial.transfer import PREFIX, add_transfer, measure_transfer

LINE_EVERY_S = 5.0  # own: a word now and then


def transfer_command(words: Sequence[str], *, allow: Sequence[str]) -> None:
    """Evaluate the best model of each run on other data, add the losses to its summary, print them.

    Args:
        words: run directories or folders above them, and changes such as `data.n_nodes=500,1000`;
            of several changes every combination is evaluated.
        allow: patterns of further `_target_`s that configurations may call.

    Raises:
        ErmlabError: a word is wrong, or no run can be evaluated.
    """
    dirs = [Path(word) for word in words if "=" not in word]
    settings = list(read_changes([word for word in words if "=" in word]))
    allowed = allowed_targets(allow)
    register_schemas()
    runs = {run_dir: read_trial(run_dir) for run_dir in find_run_dirs(dirs) if _is_ended(run_dir)}
    if not runs:
        raise RunDirError(
            "there is no finished run here",
            where=str(dirs[0]),
            fix="name a run or a sweep that has ended",
        )
    # Runs of one data set come after each other, so that it is made once.
    order = sorted(runs, key=lambda each: str(to_unresolved(runs[each].config)["data"]))
    order.sort(key=lambda each: str(runs[each].config.seed))
    refused = _measure_all({run_dir: runs[run_dir] for run_dir in order}, settings, allowed)
    fitting = [run_dir for run_dir in runs if len(refused.get(run_dir, [])) < len(settings)]
    if not fitting:
        raise next(iter(refused.values()))[0]
    for sweep_dir in dirs:
        if (sweep_dir / rundir.RESULTS_CSV).is_file():
            write_results(sweep_dir)
    print_transfer(fitting, [_name("loss", changes) for changes in settings])
    if len(fitting) < len(runs):
        reason = next(refused[run_dir] for run_dir in runs if run_dir not in fitting)[0].what
        left = len(runs) - len(fitting)
        sys.stdout.write(
            f"left out {left} of {len(runs)} runs, whose parameters do not fit: {reason}\n"
        )


def read_changes(words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give each combination of changes.

    Args:
        words: such as `data.n_nodes=500,1000`, in the grammar of Hydra's overrides.

    Raises:
        ConfigError: a word is no change of the data, or there is none.
    """
    try:
        overrides = OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise ConfigError(
            f"a change cannot be read: {str(error).splitlines()[0]}",
            where=" ".join(words),
            fix="write it as data.KEY=VALUE or data.KEY=A,B",
        ) from error
    values: dict[str, list[Any]] = {}
    for override in overrides:
        key = override.key_or_group
        is_list = override.is_sweep_override() and not override.is_interval_sweep()
        if not key.startswith("data.") or not (is_list or not override.is_sweep_override()):
            raise ConfigError(
                f"{override.input_line} does not change the data to some values",
                where=str(override.input_line),
                fix="write data.KEY=VALUE or data.KEY=A,B",
            )
        found = override.sweep_iterator(lambda each: each) if is_list else [override.value()]
        values[key] = [_from_here(key, each) for each in found]
    if not values:
        raise ConfigError(
            "no change of the data is given",
            where="ermlab transfer",
            fix="name other data: ermlab transfer DIR data.n_nodes=500,1000",
        )
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _from_here(key: str, value: Any) -> Any:
    # A run reads paths from the folder in which it was started, not from here.
    is_path = key.endswith("path") and isinstance(value, str)
    return str(Path(value).expanduser().absolute()) if is_path else value


def _is_ended(run_dir: Path) -> bool:
    summary = rundir.read_summary(run_dir)
    return summary is not None and (run_dir / rundir.BEST).is_file()


def _measure_all(
    runs: Mapping[Path, RecordedTrial], settings: Sequence[Mapping[str, Any]], allow: Sequence[str]
) -> dict[Path, list[ShapeError]]:
    """Evaluate each run with each of the changes; return why runs do not fit some of them."""
    jobs = list(product(settings, runs))
    cache: DataCache = {}
    refused: dict[Path, list[ShapeError]] = {}
    began = shown = time.monotonic()
    for place, (changes, run_dir) in enumerate(jobs, 1):
        try:
            add_transfer(run_dir, _measure(runs[run_dir], run_dir, changes, allow, cache))
        except ShapeError as error:
            refused.setdefault(run_dir, []).append(error)
        if time.monotonic() - shown > LINE_EVERY_S:
            shown = time.monotonic()
            sys.stderr.write(f"{place} of {len(jobs)} evaluated, {shown - began:.0f} s\n")
    return refused


def _measure(
    trial: RecordedTrial,
    run_dir: Path,
    changes: Mapping[str, Any],
    allow: Sequence[str],
    cache: DataCache,
) -> dict[str, float]:
    place = run_dir.absolute()
    with as_in_run(trial, allow=allow) as config:
        found = measure_transfer(
            config, place, changes=changes, choices=trial.choices, allow=allow, cache=cache
        )
    return {_name(measure, changes): value for measure, value in found.items()}


def _name(measure: str, changes: Mapping[str, Any]) -> str:
    """Name a column, such as `transfer_loss_n_nodes_500`; a dot would make it a key."""
    parts = [measure]
    for key, value in changes.items():
        shown = str(value)
        if key.endswith("path"):  # its folder and its name
            shown = "_".join([Path(value).parent.name, Path(value).stem])
        parts += [key.removeprefix("data."), re.sub(r"\W+", "_", shown)]
    return PREFIX + "_".join(parts)
