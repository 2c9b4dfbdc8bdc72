"""Opens the jobs of a multirun as Hydra's `run_job` does, in a few milliseconds each.

Composing is in `compose.py`, training in `worker.py`; what is kept of a job is in `job.py`.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime
from hydra.types import HydraContext
from omegaconf import DictConfig, ListConfig, Node, OmegaConf, open_dict, read_write

from ermlab.sweep.compose import find_composer
from ermlab.sweep.fast_jobs import FastOpener
from ermlab.sweep.job import Job
from ermlab.sweep.job_files import JobFiles, read_text
from ermlab.sweep.job_log import find_job_log
from ermlab.sweep.nodes import copy_node, split_hydra
from ermlab.sweep.program import make_outline


class StackedJobReturn(JobReturn):
    """Hydra's JobReturn, which unpacks the configurations of its job when they are asked for."""

    def __init__(self, job: Job, opener: "JobOpener") -> None:
        self._job, self._opener = job, opener
        super().__init__(
            overrides=list(job.overrides),
            working_dir=str(Path.cwd()),
            task_name=JobRuntime.instance().get("name"),
        )

    @property
    def cfg(self) -> DictConfig:
        """The configuration of the task."""
        return self._job.task_config()

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        """The job has it."""

    @property
    def hydra_cfg(self) -> DictConfig:
        """The configuration of Hydra."""
        return self._opener.hydra_config(self._job)

    @hydra_cfg.setter
    def hydra_cfg(self, value: DictConfig | None) -> None:
        """The job has it."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    """One job as Hydra would start it: its whole configuration, its folder and Hydra's files."""

    config: DictConfig
    run_dir: Path
    files: Mapping[str, str]


class JobOpener:
    """Makes jobs of overrides, each as Hydra's basic launcher would.

    Args:
        context: of the sweep.
        config: of the sweep, node `hydra` included.
    """

    def __init__(self, context: HydraContext, config: DictConfig) -> None:
        self._composer = find_composer(context.config_loader, config)
        self._files = JobFiles()
        self._fast = FastOpener(self._composer, self._files, config)

    def compose(self, number: int, overrides: Sequence[str]) -> Composed:
        """Compose one job; nothing is written.

        Raises:
            Exception: what Hydra raises for overrides that cannot be composed.
        """
        config, template = self._composer.compose_like(overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = str(number), number
        with as_hydra_config(config):
            folder, name = (read_text(config, f"hydra.sweep.{key}") for key in ("dir", "subdir"))
            run_dir = Path(folder, name).absolute()
            node = config.hydra
            with read_write(node.runtime), open_dict(node.runtime):
                node.runtime.output_dir = str(run_dir)
            with read_write(node.job.env_set):
                OmegaConf.resolve(node.job.env_set)
        OmegaConf.set_readonly(node, True)
        files = {}
        if node.output_subdir is not None:
            texts = self._files.write(*split_hydra(config), template)
            files = {f"{node.output_subdir}/{name}": text for name, text in texts.items()}
        return Composed(config=config, run_dir=run_dir, files=files)

    def open(self, number: int, overrides: Sequence[str]) -> Job:
        """Compose one job and make it small (see `compose`)."""
        fast = self._fast.open(number, overrides)
        if fast is not None:
            return fast
        composed = self.compose(number, overrides)
        task, node = composed.config, composed.config.hydra
        with as_hydra_config(task):
            log = find_job_log(task)
            _settle_hydra(task)
        hydra = OmegaConf.create({})
        # Moved, for assigning it would copy it, which takes longer than all the rest.
        hydra._content["hydra"] = task._content.pop("hydra")  # type: ignore[index,union-attr]
        node._set_parent(hydra)
        environment = {str(key): str(value) for key, value in node.job.env_set.items()}
        return Job(
            number=number,
            overrides=task_overrides(node),
            run_dir=composed.run_dir,
            files=composed.files,
            choices=dict(node.runtime.choices),
            environment=environment,
            log=log,
            task=pickle.dumps(task),
            hydra=pickle.dumps(hydra),
            lines=list(overrides),
            outline=make_outline(task, environment),
        )

    def hydra_config(self, job: Job) -> DictConfig:
        """What `HydraConfig` holds while a job runs."""
        if job.hydra is None:
            composed = self.compose(job.number, job.lines)
            return copy_node(split_hydra(composed.config)[1], None)
        config: DictConfig = pickle.loads(job.hydra)  # noqa: S301  # this process pickled it
        return config


@contextmanager
def as_hydra_config(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` and `HydraConfig.get()` read from a job's configuration in the block."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().cfg = config  # type: ignore[assignment]  # has the node `hydra`
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def task_overrides(node: DictConfig) -> list[str]:
    """The overrides of a job that are not Hydra's own, as they were typed."""
    overrides = OmegaConf.to_container(node.overrides.task)
    assert isinstance(overrides, list), "Hydra's schema has a list there"
    return overrides


def _settle_hydra(node: Any) -> None:
    """Put what `${hydra:...}` stands for into its place: elsewhere it would lead elsewhere."""
    keys = list(node) if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        child = node._get_node(key)
        if not isinstance(child, Node) or key == "hydra":
            continue
        if child._is_interpolation():
            if "${hydra:" in str(child._value()):
                node[key] = node[key]
        elif isinstance(child, DictConfig | ListConfig) and not child._is_none():
            _settle_hydra(child)
