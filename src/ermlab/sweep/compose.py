"""Composes the configurations of a sweep's jobs, each in a few milliseconds.

Hydra composes each job from its YAML files, which takes longer than many a training. Here each set
of config-group choices is composed by Hydra once, and kept; a job is a copy of that, on which
Hydra's own code sets the job's values. Launching the jobs is not here but in `launch.py`.

This leans on private parts of Hydra and OmegaConf, which `pyproject.toml` holds below 1.5 and 2.5.
`tests/sweep/test_compose.py` compares every form of override with Hydra's composition.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.plain import set_value
from ermlab.sweep.nodes import copy_node, split_hydra

MAX_TEMPLATES = 64  # about 0.5 MB each; a sweep over more sets of choices composes some again
MAX_PARSED = 4096  # about 1 kB each; the overrides of a grid, not those of a long random search

# What composing raises for a user's mistake. Another exception passes through, as it does in Hydra.
_FAILURES = (HydraException, OmegaConfBaseException, ValueError, LookupError)
# Nodes under `hydra` that Hydra reads after it has set a job's values.
_READ_LAST = ("aliases", "job", "launcher", "overrides", "runtime", "sweeper")
# An interpolation that names one node, outside `hydra`, or reads the clock or the environment; not
# one with another resolver, or with an interpolation inside.
_PLAIN_INTERPOLATION = re.compile(r"\$\{(?:(?!\.*\[?hydra)[\w.\[\]-]+|(?:now|oc\.env):[^${}]*)\}")

# What a sampler suggests: a key, and a number without leading zeros.
_NUMBER = re.compile(
    r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)=(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?)", re.ASCII
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """What the jobs of one set of choices have in common.

    Args:
        config: their configuration before a value is set; never handed out or changed.
        reaches_hydra: whether an interpolation outside its `hydra` node may read from there. Hydra
            fills that node after it has set the values, so it resolves to something else before.
    """

    config: DictConfig
    reaches_hydra: bool


class JobComposer:
    """Composes the jobs of one sweep, each equal to what Hydra composes for it.

    The YAML files are read when a set of choices is first met: unlike Hydra's, a sweep does not
    change when somebody edits them while it runs.

    Args:
        config_loader: of the sweep's HydraContext. With one that is not Hydra's own class, each
            job is composed in full.
        master_config: the sweep's configuration; its `hydra` node must not change any more.
    """

    def __init__(self, config_loader: ConfigLoader, master_config: DictConfig) -> None:
        self._loader = config_loader
        self._master = master_config
        self._parser = OverridesParser.create()
        self._parse_once = lru_cache(MAX_PARSED)(self._parser.parse_override)
        self._find_template = lru_cache(MAX_TEMPLATES)(self._compose_template)
        if isinstance(config_loader, ConfigLoaderImpl):
            # The sources that Hydra looks for config groups in, with `hydra.searchpath` applied.
            lines: Any = OmegaConf.to_container(master_config.hydra.overrides.hydra)
            _, repository = config_loader._parse_overrides_and_create_caching_repo(
                master_config.hydra.job.config_name, lines, self._parser.parse_overrides(lines)
            )
            self._is_group = lru_cache(MAX_PARSED)(repository.group_exists)
            self._is_config = lru_cache(MAX_PARSED)(repository.config_exists)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Compose one job's configuration, `hydra` node included.

        Args:
            overrides: the job's, as a launcher gets them; may be empty.

        Returns:
            What `load_sweep_config` returns for them. It shares nothing that can change with
            another job's configuration.

        Raises:
            Exception: what `load_sweep_config` raises for them.
        """
        return self.compose_like(overrides)[0]

    def compose_like(self, overrides: Sequence[str]) -> tuple[DictConfig, Template | None]:
        """Compose one job (see `compose`), and name the template that it was copied from.

        Below `hydra` the job then differs from it in `overrides.task` and `runtime.cwd` alone.
        """
        lines = list(overrides)
        fast = self._compose_fast(lines)
        return fast or (self._loader.load_sweep_config(self._master, lines), None)

    def compose_task(
        self, overrides: Sequence[str]
    ) -> tuple[DictConfig, Template, list[str]] | None:
        """Compose what a job's task gets, without the node `hydra`, which takes half as long.

        Returns:
            The configuration, its template, and the overrides that are not Hydra's own; None
            unless the result is surely Hydra's.
        """
        prepared = self._prepare(list(overrides))
        if prepared is None or prepared[0].reaches_hydra:
            return None
        template, values, all_overrides = prepared
        config = copy_node(split_hydra(template.config)[0], None)
        if not _set_values(config, values):
            return None
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        return config, template, _task_lines(all_overrides)

    def _compose_fast(self, lines: list[str]) -> tuple[DictConfig, Template] | None:
        """Compose a job from a template, or return None unless the result is surely Hydra's."""
        prepared = self._prepare(lines)
        if prepared is None:
            return None
        template, values, overrides = prepared
        config = copy_node(template.config, None)
        return (config, template) if _finish(config, values, overrides, self._master) else None

    def _prepare(self, lines: list[str]) -> tuple[Template, list[Override], list[Override]] | None:
        """Find a job's template and the values to set in it; and all its overrides, as parsed."""
        if not isinstance(self._loader, ConfigLoaderImpl):
            return None
        try:
            overrides = [self._parse(line) for line in lines]
        except HydraException:
            return None
        values: list[Override] = []
        choices: list[Override] = []
        for line, override in zip(lines, overrides, strict=True):
            is_value = self._is_value(override)
            if not (_is_sure_value(override, line) if is_value else _is_sure_choice(override)):
                return None
            (values if is_value else choices).append(override)
        template = self._find_template(tuple(str(each.input_line) for each in choices))
        if template is None:
            return None
        if template.reaches_hydra and not all(_resolves_nothing(v, template) for v in values):
            return None
        return template, values, overrides

    def _parse(self, line: str) -> Override:
        if (simple := parse_number(line)) is not None:
            return simple
        # A function may draw, as shuffle([1,2]) does: such a line is parsed anew for each job.
        return self._parser.parse_override(line) if "(" in line else self._parse_once(line)

    def _is_value(self, override: Override) -> bool:
        """Whether Hydra sets an override in the composed config, as its `Overrides` decides.

        The others choose, add or delete entries of the defaults list.
        """
        key = override.key_or_group
        if override.is_value_path:
            return True
        if override.is_delete():
            return not (self._is_group(key) or self._is_config(key))
        return isinstance(override.value(), dict) or not self._is_group(key)

    def _compose_template(self, choices: tuple[str, ...]) -> Template | None:
        """Let Hydra compose a set of choices, or return None where it has to compose each job."""
        try:
            config = self._loader.load_sweep_config(self._master, list(choices))
        except _FAILURES:
            return None
        hydra = config.hydra
        if any(OmegaConf.is_interpolation(hydra, key) for key in _READ_LAST):
            return None
        # Hydra copies the environment into each job, as it is then.
        if OmegaConf.is_interpolation(hydra.job, "env_copy") or hydra.job.env_copy:
            return None
        for choice in choices:  # each job lists its own, between its values
            if not self._parse(choice).is_hydra_override():
                hydra.overrides.task.pop()
        reaches_hydra = any(_reaches_hydra(config._get_node(k)) for k in config if k != "hydra")
        return Template(config=config, reaches_hydra=reaches_hydra)


def parse_number(line: str) -> Override | None:
    """Read `key=number` as Hydra's parser does, in less time; None for any other override."""
    found = _NUMBER.fullmatch(line)
    if found is None:
        return None
    whole = found[2].lstrip("-").isdecimal()
    return Override(
        type=OverrideType.CHANGE,
        key_or_group=found[1],
        value_type=ValueType.ELEMENT,
        _value=int(found[2]) if whole else float(found[2]),
        input_line=line,
    )


class SweepLoader(ConfigLoaderImpl):
    """Hydra's loader, with the jobs of a sweep composed by a `JobComposer`.

    Hydra's basic sweeper composes each job once only to see that it can be, by the loader of the
    sweep's context: put there, this one saves the sweeper's time as well as the launcher's.

    Args:
        loader: the one that was there.
        master_config: the sweep's configuration.
    """

    def __init__(self, loader: ConfigLoaderImpl, master_config: DictConfig) -> None:
        vars(self).update(vars(loader))
        self._sweep_master = master_config

    @cached_property
    def composer(self) -> JobComposer:
        """Made at first use, when nothing of the sweep's configuration changes any more."""
        plain = object.__new__(ConfigLoaderImpl)
        vars(plain).update({k: v for k, v in vars(self).items() if k != "composer"})
        return JobComposer(plain, self._sweep_master)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Compose one job's configuration."""
        if master_config is not self._sweep_master:
            return super().load_sweep_config(master_config, sweep_overrides)
        return self.composer.compose(sweep_overrides)


def find_composer(loader: ConfigLoader, master_config: DictConfig) -> JobComposer:
    """The composer of a sweep: that of its loader, if it has one."""
    if isinstance(loader, SweepLoader):
        return loader.composer
    return JobComposer(loader, master_config)


def _is_sure_choice(override: Override) -> bool:
    """Whether a template serves for each job with this entry of the defaults list."""
    return not override.is_sweep_override() and "(" not in str(override.input_line)


def _is_sure_value(override: Override, line: str) -> bool:
    """Whether a value can be set in a copy of a template.

    Not so: a sweep, which Hydra refuses; a value of Hydra's own, which may take part in composing
    (`hydra.searchpath`, `hydra.job.env_copy`); one that may read Hydra's node.
    """
    is_hydra = override.key_or_group.startswith("hydra")
    return not (is_hydra or override.is_sweep_override()) and _is_plain_text(line)


def _is_plain_text(text: str) -> bool:
    return "${" not in text or "${" not in _PLAIN_INTERPOLATION.sub("", text)


def _reaches_hydra(node: Any) -> bool:
    value = node._value()
    if isinstance(value, str):
        return not _is_plain_text(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, Node):  # of a union
        value = [value]
    return isinstance(value, list) and any(map(_reaches_hydra, value))


def _resolves_nothing(override: Override, template: Template) -> bool:
    """Whether setting a value resolves no interpolation: key=scalar, on a path without one."""
    if override.type is not OverrideType.CHANGE or isinstance(override.value(), list | dict):
        return False
    node: Any = template.config
    for part in override.key_or_group.split(".")[:-1]:
        node = node._get_node(part) if isinstance(node, DictConfig) else None
        if node is None or node._is_interpolation():
            return False
    return True


def _finish(
    config: DictConfig, values: list[Override], overrides: list[Override], master: DictConfig
) -> bool:
    """Do to the copy of a template what Hydra's loader does to a config that it has composed.

    Returns:
        Whether it went well. If not, Hydra's own composition tells what to raise.
    """
    hydra = config.hydra
    # A value can be written through an interpolation. One that ends in Hydra's node fails here.
    OmegaConf.set_readonly(hydra, True)
    if not _set_values(config, values):
        return False
    OmegaConf.set_readonly(hydra, False)  # as Hydra leaves it
    for line in _task_lines(overrides):
        hydra.overrides.task.append(line)
    hydra.runtime.cwd = str(Path.cwd())
    OmegaConf.copy_cache(from_config=master, to_config=config)
    return True


def _set_values(config: DictConfig, values: list[Override]) -> bool:
    try:
        for override in values:
            if not _set_number(config, override):
                ConfigLoaderImpl._apply_overrides_to_config([override], config)
    except _FAILURES:
        return False
    return True


def _set_number(config: DictConfig, override: Override) -> bool:
    is_plain = _NUMBER.fullmatch(str(override.input_line)) is not None and override.package is None
    value: Any = override.value()
    return is_plain and set_value(config, override.key_or_group, value)


def _task_lines(overrides: list[Override]) -> list[str]:
    return [str(each.input_line) for each in overrides if not each.is_hydra_override()]
