"""One job of Hydra's: trains the composed configuration and shows how it went."""

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ermlab import rundir
from ermlab.cli.progress import Progress
from ermlab.trial.objectives import list_objectives, objective_values
from ermlab.trial.pausing import Terminated
from ermlab.trial.reports import Reports
from ermlab.trial.run import run_trial
from ermlab.trial.tracking import finish_tracking

log = logging.getLogger(__name__)


def run_job(config: DictConfig, *, allow: Sequence[str]) -> float | list[float] | None:
    """Carry out the present Hydra job.

    Args:
        config: its configuration, without the `hydra` node.
        allow: patterns of the `_target_`s that may be called.

    Returns:
        The value that a sweep optimizes (see `objective_values`); None for a single run.
    """
    job = HydraConfig.get()
    is_sweep = job.mode == RunMode.MULTIRUN
    run_dir = Path(job.runtime.output_dir)
    try:
        with Progress() as progress:
            summary = run_trial(
                config,
                run_dir=run_dir,
                choices=dict(job.runtime.choices),
                allow=allow,
                is_sweep=is_sweep,
                on_check=progress.show,
                report=_find_reports(config, job) if is_sweep else None,
            )
    except KeyboardInterrupt as interrupt:
        finish_tracking(run_dir)
        if is_sweep or not (run_dir / rundir.CONFIG).is_file():
            raise
        told = tell_how_to_resume(run_dir, Path(job.runtime.cwd))
        kind = Terminated if isinstance(interrupt, Terminated) else KeyboardInterrupt
        raise kind(told) from interrupt
    if is_sweep:
        return finish_run(config, run_dir, summary)
    show_run(config, run_dir)
    return None


def _find_reports(config: DictConfig, job: Any) -> Reports | None:
    """Find who prunes the sweep that this job is of, if anyone does."""
    sweep_dir = Path(job.sweep.dir)
    if not (sweep_dir / rundir.PRUNER).exists():
        return None
    from ermlab.sweep.post import find_judge

    judge = find_judge(sweep_dir)
    objective = list_objectives(config.objective)[0]
    return None if judge is None else Reports(judge, objective=objective, jobs=[job.job.num])


def show_run(config: DictConfig, run_dir: Path) -> None:
    """Draw the picture of a single run that ended, and print its table."""
    _draw(config, run_dir)
    finish_tracking(run_dir)
    from ermlab.results.run_table import print_run

    print_run(run_dir)


def tell_how_to_resume(run_dir: Path, folder: Path) -> str:
    """Say in two lines what is left of an interrupted run and how to go on.

    Args:
        run_dir: its directory.
        folder: the working directory of the shell.
    """
    has_checkpoint = (run_dir / rundir.CHECKPOINT).is_file()
    below = run_dir.relative_to(folder) if run_dir.is_relative_to(folder) else run_dir
    program = Path(sys.argv[0])
    name = "python -m ermlab" if program.name == "__main__.py" else "ermlab"
    if program.suffix == ".py" and program.name != "__main__.py":
        name = f"python {shlex.quote(str(program))}"
    told = "its checkpoint is kept" if has_checkpoint else "it has no checkpoint, so it starts anew"
    return f"interrupted; {told}. To continue:\n{name} resume {shlex.quote(str(below))}"


def finish_run(
    config: DictConfig, run_dir: Path, summary: Mapping[str, Any]
) -> float | list[float]:
    """Draw the picture of a sweep's run, log a line of it, and return what the sweep optimizes."""
    _draw(config, run_dir)
    finish_tracking(run_dir)
    losses = {name: summary[name] for name in ("valid_loss", "test_loss", "train_loss")}
    finite = {k: v for k, v in losses.items() if v is not None and isfinite(v)}
    shown = ", ".join(f"{k} {v:.4g}" for k, v in finite.items()) or "no losses"
    told = (run_dir.name, summary["status"], shown, summary["wall_s"])
    log.info("\t%s %s: %s (%.1f s)", *told)
    return objective_values(summary, config.objective)


def _draw(config: DictConfig, run_dir: Path) -> None:
    if config.plot:
        from ermlab.results.plot import plot_learning_curve  # matplotlib, only when asked for

        plot_learning_curve(run_dir)
