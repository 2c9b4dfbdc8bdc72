"""Opens a job without making Hydra's node for it, where that surely leads to the same.

What the jobs of one template share below `hydra` is read once. A job for which more is needed, such
as a folder named by a swept key, is opened in `jobs.py`.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ermlab.sweep.compose import MAX_TEMPLATES, JobComposer, Template
from ermlab.sweep.job import Job
from ermlab.sweep.job_files import JobFiles, fill_text, raw_text
from ermlab.sweep.job_log import JobLog, find_handler
from ermlab.sweep.program import make_outline
from ermlab.sweep.yaml_text import list_text


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What the jobs of one template have in common; texts may hold interpolations."""

    folder: str
    name: str
    job_name: str
    output_subdir: str | None
    choices: Mapping[str, str | None]
    environment: Mapping[str, str]
    log: tuple[str, JobLog] | None


class FastOpener:
    """Opens jobs of templates.

    Args:
        composer: of the sweep.
        files: makes the text of Hydra's files.
        config: of the sweep.
    """

    def __init__(self, composer: JobComposer, files: JobFiles, config: DictConfig) -> None:
        self._composer, self._files = composer, files
        self._config = config
        self._find_shared = lru_cache(MAX_TEMPLATES)(_read_shared)

    def open(self, number: int, overrides: Sequence[str]) -> Job | None:
        """Open one job; None where Hydra's node is needed."""
        composed = self._composer.compose_task(overrides)
        shared = None if composed is None else self._find_shared(composed[1])
        if composed is None or shared is None:
            return None
        task, template, lines = composed
        clock = OmegaConf.get_cache(self._config)["now"]  # it stands still in a sweep
        given = {
            "hydra.job.num": str(number),
            "hydra.job.id": str(number),
            "hydra.job.name": shared.job_name,
        }
        folder, name = (fill_text(raw, given, clock) for raw in (shared.folder, shared.name))
        if folder is None or name is None:
            return None
        run_dir = Path(folder, name).absolute()
        given["hydra.runtime.output_dir"] = str(run_dir)
        log = None
        if shared.log is not None:
            path = fill_text(shared.log[0], given, clock)
            if path is None:
                return None
            log = replace(shared.log[1], path=Path(path).absolute())
        return Job(
            number=number,
            overrides=lines,
            run_dir=run_dir,
            files=self._write(number, shared, run_dir, template, lines),
            choices=shared.choices,
            environment=shared.environment,
            log=log,
            task=pickle.dumps(task),
            task_file=_path(shared, "config.yaml"),
            hydra=None,
            lines=list(overrides),
            outline=make_outline(task, shared.environment),
        )

    def _write(
        self,
        number: int,
        shared: _Shared,
        run_dir: Path,
        template: Template,
        lines: Sequence[str],
    ) -> dict[str, str]:
        if shared.output_subdir is None:
            return {}
        own: dict[tuple[str, str], Any] = {
            ("job", "id"): str(number),
            ("job", "num"): number,
            ("overrides", "task"): list(lines),
            ("runtime", "cwd"): str(Path.cwd()),
            ("runtime", "output_dir"): str(run_dir),
        }
        texts = {
            "hydra.yaml": self._files.join(template, own),
            "overrides.yaml": list_text(lines),
        }
        return {f"{shared.output_subdir}/{name}": text for name, text in texts.items()}


def _path(shared: _Shared, name: str) -> str | None:
    return None if shared.output_subdir is None else f"{shared.output_subdir}/{name}"


def _read_shared(template: Template) -> _Shared | None:
    config = template.config
    hydra = config.hydra
    texts = [raw_text(config, f"hydra.{key}") for key in ("sweep.dir", "sweep.subdir", "job.name")]
    environment = OmegaConf.to_container(hydra.job.env_set)
    assert isinstance(environment, dict), "Hydra's schema has a mapping there"
    choices = OmegaConf.to_container(hydra.runtime.choices)
    assert isinstance(choices, dict), "Hydra's schema has a mapping there"
    handler = find_handler(config)
    path = None if handler is None else raw_text(config, handler[0])
    is_plain = "${" not in f"{texts[2]}{environment}{choices}{hydra._get_node('output_subdir')}"
    if None in texts or not is_plain or (handler is not None and path is None):
        return None
    folder, name, job_name = map(str, texts)
    return _Shared(
        folder=folder,
        name=name,
        job_name=job_name,
        output_subdir=hydra.output_subdir,
        choices={str(key): value for key, value in choices.items()},
        environment={str(key): str(value) for key, value in environment.items()},
        log=None if handler is None or path is None else (path, handler[1]),
    )
