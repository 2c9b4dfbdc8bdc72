"""Starts or goes on with a sweep of the sweeper `study`, from what Hydra hands over.

The loop of the sweep is in `study_sweep.py`. The keys and the grammar of the overrides are those of
hydra-optuna-sweeper, whose functions read them.
"""

import functools
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method, instantiate
from hydra_plugins.hydra_optuna_sweeper._impl import (
    OptunaSweeperImpl,
    create_params_from_overrides,
)
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.sweep.jobs import JobOpener
from ermlab.sweep.journal import Question
from ermlab.sweep.ledger import Ledger, SweepOptions
from ermlab.sweep.post import Server, answer_reports, write_address
from ermlab.sweep.pruning import Pruning
from ermlab.sweep.recorded import as_in_run, read_trial
from ermlab.sweep.study import Study, describe_space, worst_value
from ermlab.sweep.study_sweep import Trials, run_batches
from ermlab.trial.final_test import evaluate_best
from ermlab.trial.targets import allowed_targets, matches

log = logging.getLogger(__name__)

SAMPLERS = ("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")
PRUNERS = ("optuna.pruners.*",)
TEST_POLICIES = ("winner", "all", "none")


@dataclass(frozen=True, kw_only=True)
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
    allowed = _allowed(hydra)
    _check_options(options)
    space, fixed = _read_space([*_params(options), *arguments], options)
    fixed += _test_override(hydra.config, options["sweep_test"])
    sweep_dir = Path(str(hydra.config.hydra.sweep.dir))
    with rundir.storage_errors(sweep_dir):
        sweep_dir.mkdir(parents=True, exist_ok=True)
    make_sampler, n_grid = _sampler_maker(options["sampler"], space)
    record = (sweep_dir / rundir.MULTIRUN, OmegaConf.to_yaml(hydra.config))
    if not (sweep_dir / rundir.STUDY).exists():
        rundir.write_whole(*record)  # before the study: a killed sweep has what it takes to go on
    study = Study(
        sweep_dir / rundir.STUDY,
        make_sampler=make_sampler,
        make_pruner=_pruner_maker(options),
        space=space,
        question=_question(space, fixed, options),
        extend=_extension(options["custom_search_space"], hydra.config, allowed),
        go_on_changed=options["go_on_changed"],
    )
    rundir.write_whole(*record)  # not before: another sweep's command would be lost
    resume = f"ermlab resume {shlex.quote(str(sweep_dir))}"
    log.info("a stopped sweep goes on with: %s", resume)
    if study.was_stopped:
        log.info("going on after %d trials", study.n_asked - len(study.open_trials))
    ledger = Ledger(
        study,
        opener=JobOpener(hydra.context, hydra.config),
        config=hydra.config,
        fixed=fixed,
        options=_sweep_options(options, n_grid),
        pruning=_make_pruning(study, options),
    )
    try:
        _run(ledger, hydra.launcher, sweep_dir)
    except BaseException:
        log.info("the sweep has stopped; it goes on with: %s", resume)
        raise
    finally:
        study.close()
    _write_best(study, sweep_dir)
    if options["sweep_test"] == "winner" and len(_directions(options["direction"])) == 1:
        for trial in study.best():
            _test(ledger.run_dirs(trial.number, trial.params), allowed)


def _sweep_options(options: Mapping[str, Any], n_grid: int | None) -> SweepOptions:
    return SweepOptions(
        n_trials=min(options["n_trials"], n_grid or options["n_trials"]),
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


def _pruner_maker(options: Mapping[str, Any]) -> Callable[[], BasePruner] | None:
    """Return what makes the pruner, if there is one."""
    node = options["pruner"]
    if _pruner_name(options) in ("", "optuna.pruners.NopPruner"):
        return None
    if len(_directions(options["direction"])) > 1:
        raise ConfigError(
            "a pruner compares one objective, but direction names several",
            where="hydra.sweeper.pruner",
            fix="leave hydra/sweeper/pruner out",
        )

    def make() -> BasePruner:
        pruner = instantiate(node, _execution_whitelist_=PRUNERS)
        if not isinstance(pruner, BasePruner):
            raise ConfigError(
                f"hydra.sweeper.pruner made a {type(pruner).__name__}, which is no pruner",
                where="hydra.sweeper.pruner._target_",
                fix="name a class of optuna.pruners",
            )
        return pruner

    return make


def _pruner_name(options: Mapping[str, Any]) -> str:
    return str((options["pruner"] or {}).get("_target_", ""))


def _make_pruning(study: Study, options: Mapping[str, Any]) -> Pruning | None:
    if _pruner_maker(options) is None:
        return None
    (direction,) = _directions(options["direction"])
    return Pruning(
        study,
        replicates=options["replicates"],
        by_replicate=_pruner_name(options) == "optuna.pruners.WilcoxonPruner",
        worst=worst_value(direction),
    )


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


def _sampler_maker(
    node: Any, space: Mapping[str, BaseDistribution]
) -> tuple[Callable[[], optuna.samplers.BaseSampler], int | None]:
    """Return what makes a new sampler, and the number of points of a grid."""
    made = instantiate(node, _execution_whitelist_=SAMPLERS)
    if not (isinstance(made, functools.partial) and made.func is optuna.samplers.GridSampler):
        return lambda: instantiate(node, _execution_whitelist_=SAMPLERS), None
    grid = {k: OptunaSweeperImpl._to_grid_sampler_choices(v) for k, v in space.items()}
    n_points = 1
    for choices in grid.values():
        n_points *= len(choices)
    return lambda: made(grid), n_points


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
    function = get_method(target)
    return lambda trial: function(config, trial)


def _check_options(options: Mapping[str, Any]) -> None:
    least = {"n_trials": 1, "n_jobs": 1, "replicates": 1, "retries": 0, "max_failure_rate": 0}
    for name, bound in least.items():
        if options[name] < bound:
            raise _out_of_range(name, options[name], f">= {bound}")
    if options["max_failure_rate"] > 1:
        raise _out_of_range("max_failure_rate", options["max_failure_rate"], "<= 1")
    if options["timeout"] is not None and not options["timeout"] > 0:
        raise _out_of_range("timeout", options["timeout"], "> 0")
    for name in ("storage", "study_name"):
        if options[name] is not None:
            raise ConfigError(
                f"hydra.sweeper.{name} is {options[name]!r}, but the sweeper study keeps its "
                f"memory in the folder of the sweep ({rundir.STUDY})",
                where=f"hydra.sweeper.{name}",
                fix="leave it out, or use hydra/sweeper=optuna with a storage of Optuna's",
            )
    if options["sweep_test"] not in TEST_POLICIES:
        told = f"one of {', '.join(TEST_POLICIES)}"
        raise _out_of_range("sweep_test", options["sweep_test"], told)


def _out_of_range(name: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(
        f"hydra.sweeper.{name} is {value}, but must be {allowed}",
        where=f"hydra.sweeper.{name}",
        fix=f"set it to a value that is {allowed}",
    )


def _write_best(study: Study, sweep_dir: Path) -> None:
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
    with rundir.storage_errors(sweep_dir):
        OmegaConf.save(OmegaConf.create(told), sweep_dir / "optimization_results.yaml")


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
