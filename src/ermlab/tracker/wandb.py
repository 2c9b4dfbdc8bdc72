"""Weights & Biases: online, or offline with files that `wandb sync` sends later."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermlab import rundir
from ermlab.errors import ConfigError
from ermlab.rundir import Value
from ermlab.tracker.tracker import find_artifacts, load_package, name_run, unknown_run

if TYPE_CHECKING:
    from wandb import Run


class WandB:
    """Logs the configuration, metrics by step, the summary and files.

    Args:
        project: name of the project.
        entity: user or team; None for the one that is logged in.
        mode: "online", "offline" or "disabled".
        wait_s: longest wait for it at the end of a run [s], > 0.

    Raises:
        ConfigError: the package is not installed, or nobody is logged in.
    """

    def __init__(self, *, project: str, entity: str | None, mode: str, wait_s: float) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        load_package("wandb", extra="wandb")
        _check_login(mode)
        self._project, self._entity, self._mode = project, entity, mode
        self.wait_s = wait_s
        self._run: Run | None = None

    def start(self, config: Mapping[str, Value], run_dir: Path) -> None:
        """Begin a run, whose local files are in the run directory."""
        self._run = self._open(
            run_dir, name=name_run(run_dir), group=run_dir.absolute().parent.name, config={**config}
        )

    def _open(self, run_dir: Path, **options: Any) -> "Run":
        import wandb

        return wandb.init(
            project=self._project,
            entity=self._entity,
            mode=self._mode,  # type: ignore[arg-type]  # one of the three
            dir=str(run_dir),
            reinit="create_new",  # the trials of a stack run at once
            settings=wandb.Settings(
                console="off",  # it would take over the terminal of the sweep
                silent=True,
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
            ),
            **options,
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of a step."""
        assert self._run is not None, "started before"
        self._run.log(dict(values), step=step)

    def finish(self, summary: Mapping[str, Value], run_dir: Path) -> None:
        """Put the summary in place of the last values, add the files, and end the run."""
        import wandb

        assert self._run is not None, "started before"
        if (run_dir / rundir.CURVE).is_file():
            self._run.log({"learning_curve": wandb.Image(str(run_dir / rundir.CURVE))})
        self._run.summary.update(dict(summary))
        artifact = wandb.Artifact(f"run-{self._run.id}", type="run")
        for path in find_artifacts(run_dir):
            artifact.add_file(str(path))
        self._run.log_artifact(artifact)
        self._run.finish(exit_code=1 if summary.get("status") == "failed" else 0)

    def amend(self, added: Mapping[str, Value], run_dir: Path) -> None:
        """Add to the summary of a run that is online; one offline cannot be opened again."""
        if self._mode != "online":
            return
        folders = (run_dir / "wandb").glob("run-*-*")  # run-DATE_TIME-ID
        latest = max((folder.name for folder in folders), default=None)
        if latest is None:
            raise unknown_run(run_dir)
        run = self._open(run_dir, id=latest.split("-", 2)[2], resume="must")
        run.summary.update(dict(added))
        run.finish()


def _check_login(mode: str) -> None:
    """Refuse to go online without a key, for which wandb would ask in the middle of a run."""
    import wandb

    if mode == "online" and not wandb.login(prompt=False, verify=False):
        raise ConfigError(
            "nobody is logged in to Weights & Biases",
            where="tracker.mode",
            fix="run `wandb login` once, or set tracker.mode=offline",
        )
