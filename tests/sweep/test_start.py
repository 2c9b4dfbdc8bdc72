"""How a sweep is started: the loader that its sweeper composes with, and its processes."""

import sys

import joblib
import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.utils import JobRuntime, setup_globals
from hydra.errors import ConfigCompositionException
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.sweep.compose import SweepLoader, find_composer
from ermlab.sweep.start import prepare_launches, start_processes

OPTIONS = {"stack": {}, "on_unstackable": "single", "n_jobs": 1, "backend": "loky"}


class CountingLoader(ConfigLoaderImpl):
    n_calls = 0

    def load_sweep_config(self, *args, **kwargs):
        CountingLoader.n_calls += 1
        return super().load_sweep_config(*args, **kwargs)


@pytest.fixture
def hydra():
    """What Hydra hands to a launcher: a context and the configuration of a sweep."""
    register_schemas()
    setup_globals()
    JobRuntime.instance().set("name", "app")
    loader = ConfigLoaderImpl(create_config_search_path(str(find_conf_dir())))
    config = loader.load_configuration("config", ["hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
    return HydraContext(config_loader=loader, callbacks=Callbacks()), config


def test_the_sweeper_composes_by_the_loader_of_the_launcher_and_gets_hydras_configuration(hydra):
    context, config = hydra
    plain = context.config_loader
    prepare_launches(context, lambda task: None, config, **OPTIONS)
    assert isinstance(context.config_loader, SweepLoader)
    for job in (["seed=1"], ["model=mlp", "seed=2"], ["seed=3"]):
        expected = plain.load_sweep_config(config, job)
        found = context.config_loader.load_sweep_config(config, job)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
    with pytest.raises(ConfigCompositionException, match="nonsense"):
        context.config_loader.load_sweep_config(config, ["nonsense=1"])
    assert find_composer(context.config_loader, config) is context.config_loader.composer


def test_a_configuration_of_another_sweep_is_composed_by_hydra(hydra):
    context, config = hydra
    loader = SweepLoader(context.config_loader, config)
    other = context.config_loader.load_configuration("config", ["seed=9"], RunMode.MULTIRUN)
    assert loader.load_sweep_config(other, ["plot=false"]).hydra.overrides.task == ["plot=false"]
    assert "composer" not in vars(loader)


def test_a_loader_of_another_kind_stays_in_its_place(hydra):
    context, config = hydra
    vars(context)["config_loader"] = CountingLoader(context.config_loader.config_search_path)
    prepare_launches(context, lambda task: None, config, **OPTIONS)
    assert type(context.config_loader) is CountingLoader


def test_processes_are_there_before_they_are_used():
    start_processes(1, "loky")()
    start_processes(2, "threading")()
    wait = start_processes(2, "loky")
    wait()
    with joblib.parallel_config("loky"):
        ready = joblib.Parallel(n_jobs=2)(joblib.delayed(is_ready)() for _ in range(4))
    assert ready == [True] * 4


def is_ready():
    return "ermlab.sweep.worker" in sys.modules
