"""Starts or goes on with a sweep of the sweeper `study`, from what Hydra hands over.

The loop of the sweep is in `study_sweep.py`. The keys and the grammar of the overrides are those of
hydra-optuna-sweeper, whose functions read them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.sweep.jobs import JobOpener
from ermlab.sweep.ledger import Ledger, SweepOptions
from ermlab.sweep.post import Server, answer_reports, write_address
from ermlab.sweep.pruner import find_pruner, make_pruning
from ermlab.sweep.question import Question, describe_space
from ermlab.sweep.recorded import as_in_run, read_trial
from ermlab.sweep.resume_hint import ResumeHint
from ermlab.sweep.shared_study import SharedStudy
from ermlab.sweep.study import Study
from ermlab.sweep.study_open import Asked, count_points, open_sweep
from ermlab.sweep.study_sweep import Trials, run_batches
from ermlab.trial.final_test import evaluate_best
from ermlab.trial.objectives import list_objectives
from ermlab.trial.targets import allowed_targets, matches

log = logging.getLogger(__name__)

TEST_POLICIES = ("winner", "all", "none")


@dataclass(frozen=True)
class Hydra:
    """What Hydra hands to a sweeper, and the launcher that it has made."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    launcher: Launcher


def sweep_study(hydra: Hydra, options: Mapping[str, Any], arguments: Sequence[str]) -> None:
    """Carry out a sweep to its end.

    Args:
        hydra: see `Hydra`.
        options: the keys of `hydra.sweeper`.
        arguments: the overrides that are swept, and those that all trials have.

    Raises:
        ErmlabError: an option is wrong, the folder holds another sweep, or all trials failed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the sweep's own log tells more
    allowed = _allowed(hydra)
    _check_options(options)
    space, fixed = _read_space([*_params(options), *arguments], options)
    fixed += _test_override(hydra.config, options["sweep_test"])
    opener = JobOpener(hydra.context, hydra.config)
    _check_keys(opener, space, fixed)
    sweep_dir = Path(str(hydra.config.hydra.sweep.dir))
    with rundir.storage_errors(sweep_dir):
        sweep_dir.mkdir(parents=True, exist_ok=True)
    points = count_points(options["sampler"], space)
    n_trials = min(options["n_trials"], points or options["n_trials"])
    question = _question(space, fixed, options)
    _check_directions(hydra, question.directions)
    asked = Asked(
        space=space,
        question=question,
        extend=_extension(options["custom_search_space"], hydra.config, allowed),
        make_pruner=find_pruner(options["pruner"], question.directions),
        options=options,
    )
    record = (sweep_dir / rundir.MULTIRUN, OmegaConf.to_yaml(hydra.config))
    if not (record[0].exists() or (sweep_dir / rundir.STUDY).exists()):
        rundir.write_whole(*record)  # before the study: a killed sweep has what it takes to go on
    study = open_sweep(asked, sweep_dir, n_trials)
    rundir.write_whole(*record)  # not before: another sweep's command would be lost
    hint = ResumeHint(sweep_dir)
    hydra.context.callbacks.callbacks.insert(0, hint)  # the last that is called at the end
    if study.was_stopped:
        log.info("going on after %d trials", study.n_asked - len(study.open_trials))
    ledger = _open_ledger(opener, hydra.config, study, asked, fixed=fixed, n_trials=n_trials)
    try:
        _run(ledger, hydra.launcher, sweep_dir)
        while ledger.wait():
            _run(ledger, hydra.launcher, sweep_dir)
        _write_best(study, sweep_dir)
        if options["sweep_test"] == "winner" and len(question.directions) == 1:
            _test_winner(study, ledger, allowed)
        hint.is_finished = study.n_asked >= n_trials and study.is_done()
    finally:
        study.close()


def _open_ledger(
    opener: JobOpener,
    config: DictConfig,
    study: Study | SharedStudy,
    asked: Asked,
    *,
    fixed: Sequence[str],
    n_trials: int,
) -> Ledger:
    options, replicates = asked.options, asked.question.replicates
    pruning = None
    if asked.make_pruner is not None:
        directions = asked.question.directions
        pruning = make_pruning(study, options["pruner"], directions, replicates=replicates)
    return Ledger(
        study,
        opener=opener,
        config=config,
        fixed=fixed,
        options=_sweep_options(options, n_trials),
        pruning=pruning,
    )


def _check_keys(
    opener: JobOpener, space: Mapping[str, BaseDistribution], fixed: Sequence[str]
) -> None:
    """Refuse a search over what cannot be composed, such as a misspelt key, before any trial."""
    first = {key: _values(each)[0] for key, each in space.items()}
    others = [
        {**first, key: value}
        for key, each in space.items()
        for value in _values(each)[1:]
        if isinstance(value, str)  # it may be an option of a group
    ]
    for point in (first, *others):
        opener.open(0, [*(f"{key}={value}" for key, value in point.items()), *fixed])


def _values(distribution: BaseDistribution) -> Sequence[Any]:
    """The choices of a distribution, or its lowest value."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution), "Optuna has three kinds"
    return [distribution.low]


def _check_directions(hydra: Hydra, directions: Sequence[str]) -> None:
    """Refuse other directions than one for each objective, where the task is ermlab's."""
    named = list_objectives(hydra.config.get("objective"))
    if hasattr(hydra.task, "trials") and len(named) != len(directions):
        raise ConfigError(
            f"objective names {len(named)} ({', '.join(named)}), but direction {len(directions)} "
            f"({', '.join(directions)})",
            where="hydra.sweeper.direction",
            fix="give one for each: objective=[valid_loss,n_parameters] "
            "hydra.sweeper.direction=[minimize,minimize]",
        )


def _sweep_options(options: Mapping[str, Any], n_trials: int) -> SweepOptions:
    return SweepOptions(
        n_trials=n_trials,
        n_jobs=options["n_jobs"],
        replicates=options["replicates"],
        timeout_s=options["timeout"],
        retries=options["retries"],
        max_failure_rate=options["max_failure_rate"],
        refill=options["refill"],
    )


def _run(ledger: Ledger, launcher: Launcher, sweep_dir: Path) -> None:
    """Carry out the sweep without a barrier where the launcher can, else in batches."""
    stream = getattr(launcher, "stream", None)  # a method of our launcher
    if ledger.options.refill and stream is not None:
        stream(Trials(ledger))
        return
    if ledger.pruning is None:
        run_batches(ledger, launcher)
        return
    pruning = ledger.pruning
    with Server(answer_reports(pruning.judge)) as server:
        write_address(sweep_dir, server.address)
        try:
            run_batches(ledger, launcher)
        finally:
            (sweep_dir / rundir.PRUNER).unlink(missing_ok=True)


def _question(
    space: Mapping[str, BaseDistribution], fixed: Sequence[str], options: Mapping[str, Any]
) -> Question:
    return Question(
        space=describe_space(space),
        fixed=fixed,
        directions=_directions(options["direction"]),
        replicates=options["replicates"],
    )


def _allowed(hydra: Hydra) -> Sequence[str]:
    trials = getattr(hydra.task, "trials", None)
    return allowed_targets() if trials is None else list(trials.allow)


def _params(options: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in (options["params"] or {}).items()]


def _read_space(
    words: Sequence[str], options: Mapping[str, Any]
) -> tuple[dict[str, BaseDistribution], list[str]]:
    """Divide the overrides into those that are searched and those that all trials have."""
    space, values, deletions = create_params_from_overrides(list(words))
    space = {key: each for key, each in space.items() if key not in values}
    if options["replicates"] > 1 and {"seed", *space} & {*values, *space} & {"seed"}:
        raise ConfigError(
            "seed is given, but replicates choose the seeds",
            where="hydra.sweeper.replicates",
            fix="leave seed out: the runs of a trial have the seeds 0, 1, ...",
        )
    return space, [f"{key}={value}" for key, value in values.items()] + list(deletions)


def _test_override(config: DictConfig, policy: str) -> list[str]:
    """What keeps a trial from reading the test split."""
    reads = OmegaConf.select(config, "loop.test") is True
    return ["loop.test=false"] if policy != "all" and reads else []


def _directions(direction: Any) -> list[str]:
    each = direction if OmegaConf.is_list(direction) or isinstance(direction, list) else [direction]
    names = [one if isinstance(one, str) else one.name for one in each]
    if not names or not set(names) <= {"minimize", "maximize"}:
        raise _out_of_range("direction", direction, "minimize or maximize, or a list of these")
    return names


def _extension(
    target: str | None, config: DictConfig, allowed: Sequence[str]
) -> Callable[[optuna.Trial], None] | None:
    """Find the user's function that adds conditional suggestions."""
    if target is None:
        return None
    if not any(matches(target, pattern) for pattern in allowed):
        raise ConfigError(
            f"hydra.sweeper.custom_search_space is {target!r}, which may not be called",
            where="hydra.sweeper.custom_search_space",
            fix=f"if you trust it, start with ERMLAB_ALLOW='{target.split('.')[0]}.*'",
        )
    try:
        function = get_method(target)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"hydra.sweeper.custom_search_space is {target!r}, which cannot be called: "
            f"{' '.join(str(error).split())}",
            where="hydra.sweeper.custom_search_space",
            fix="name a function as module.function, in a module that Python finds from here",
        ) from error
    return lambda trial: function(config, trial)


def _check_options(options: Mapping[str, Any]) -> None:
    least = {"n_trials": 1, "n_jobs": 1, "replicates": 1, "retries": 0, "max_failure_rate": 0}
    for name, bound in least.items():
        if options[name] < bound:
            raise _out_of_range(name, options[name], f">= {bound}")
    if options["max_failure_rate"] > 1:
        raise _out_of_range("max_failure_rate", options["max_failure_rate"], "<= 1")
    if not options["heartbeat_interval"] >= 1:
        raise _out_of_range("heartbeat_interval", options["heartbeat_interval"], ">= 1")
    if options["timeout"] is not None and not options["timeout"] > 0:
        raise _out_of_range("timeout", options["timeout"], "> 0")
    if options["sweep_test"] not in TEST_POLICIES:
        told = f"one of {', '.join(TEST_POLICIES)}"
        raise _out_of_range("sweep_test", options["sweep_test"], told)


def _out_of_range(name: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(
        f"hydra.sweeper.{name} is {value}, but must be {allowed}",
        where=f"hydra.sweeper.{name}",
        fix=f"set it to a value that is {allowed}",
    )


def _write_best(study: Study | SharedStudy, sweep_dir: Path) -> None:
    """Write optimization_results.yaml as the Optuna sweeper does, and log the best."""
    best = study.best()
    if not best:
        log.warning("no trial ended with a result")
        return
    if len(best[0].values) == 1:
        told: dict[str, Any] = {
            "name": "optuna",
            "best_params": best[0].params,
            "best_value": best[0].value,
            "best_trial": best[0].number,
        }
        log.info("best trial %d: %s", best[0].number, best[0].params)
        log.info("best value: %s", best[0].value)
    else:
        solutions = [{"params": t.params, "values": t.values, "trial": t.number} for t in best]
        told = {"name": "optuna", "solutions": solutions}
        log.info("%d trials that no other surpasses in all objectives", len(best))
    text = OmegaConf.to_yaml(OmegaConf.create(told))
    rundir.write_whole(sweep_dir / "optimization_results.yaml", text)


def _test_winner(study: Study | SharedStudy, ledger: Ledger, allowed: Sequence[str]) -> None:
    """Read the test split once for each run of the winner, when all trials have ended."""
    if not study.is_done():
        log.info("the winner is not tested: other processes still have trials")
        return
    for trial in study.best():
        run_dirs = ledger.run_dirs(trial.number, trial.params)
        if not all((run_dir / rundir.SUMMARY).is_file() for run_dir in run_dirs):
            log.info("trial %d, the winner, is tested by a process that has its runs", trial.number)
            continue
        with study.testing(trial.number) as is_mine:
            if is_mine:
                _test(run_dirs, allowed)


def _test(run_dirs: Sequence[Path], allowed: Sequence[str]) -> None:
    """Read the test split once for each run of the winner."""
    for run_dir in run_dirs:
        trial = read_trial(run_dir)
        if not str(trial.config.loop.get("test", "")):
            continue
        with as_in_run(trial, allow=allowed) as config:
            summary = evaluate_best(config, run_dir, allow=allowed)
        if summary.get("test_loss") is not None:
            log.info("test loss of the winner (%s): %.4g", run_dir.name, summary["test_loss"])
