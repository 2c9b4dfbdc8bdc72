"""The options of the group `data`: each composes, fits its schema and calls its source."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hydra.utils import get_method
from omegaconf import OmegaConf

from ermlab.config.fields import is_allowed
from ermlab.config.schema_data import data_schemas

CONF_DIR = Path(__file__).parents[2] / "conf"
SCHEMAS = data_schemas()
OWN_KEYS = {"_target_", "n_train", "n_valid", "n_test", "n_inputs", "n_outputs"}
OPTIONS = pytest.mark.parametrize("option", sorted(SCHEMAS))


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    store = ConfigStore.instance()
    for option, schema in SCHEMAS.items():
        store.store(group="data", name=f"schema_{option}", node=schema, replace=True)
    with initialize_config_dir(str(CONF_DIR)):
        yield


def composed(option: str, *overrides: str) -> dict[str, Any]:
    config = compose(overrides=[f"+data={option}", "+seed=5", *overrides])
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return dict(resolved["data"])


def test_each_file_has_a_schema_and_each_schema_a_file() -> None:
    files = {path.stem for path in (CONF_DIR / "data").glob("*.yaml")}
    assert set(SCHEMAS) <= files


@OPTIONS
def test_each_value_is_in_the_range_of_its_field(option: str) -> None:
    data = composed(option)
    fields = SCHEMAS[option].__dataclass_fields__  # type: ignore[attr-defined]
    assert all(is_allowed(fields[key], value) for key, value in data.items())


@OPTIONS
def test_the_seed_follows_the_trial_and_can_be_held(option: str) -> None:
    assert (composed(option)["seed"], composed(option, "data.seed=9")["seed"]) == (5, 9)


@OPTIONS
def test_the_source_takes_no_key_that_is_not_configured(option: str) -> None:
    data = composed(option)
    parameters = inspect.signature(get_method(data["_target_"])).parameters
    assert set(parameters) <= set(data) | {"n_samples"}


@OPTIONS
def test_each_key_is_used_by_ermlab_or_by_the_source(option: str) -> None:
    data = composed(option)
    parameters = inspect.signature(get_method(data["_target_"])).parameters
    assert set(data) <= OWN_KEYS | {"standardize", "seed"} | set(parameters)


@OPTIONS
def test_a_misspelt_key_fails_while_composing(option: str) -> None:
    with pytest.raises(HydraException):
        composed(option, "data.n_trian=5")


@pytest.mark.parametrize(
    ("option", "override", "expected"),
    [
        pytest.param("digits", "data.n_train=0.5", 0.5, id="a fraction"),
        pytest.param("digits", "data.n_train=200", 200, id="a count"),
        pytest.param("lab1", "data.n_train=200", 200, id="a count of drawn rows"),
        pytest.param("table", "data.targets=y", "y", id="one name"),
        pytest.param("table", "data.targets=[y,z]", ["y", "z"], id="names"),
    ],
)
def test_an_override_keeps_its_value_and_type(option: str, override: str, expected: object) -> None:
    key = override.removeprefix("data.").split("=")[0]
    seen = composed(option, override)[key]
    assert (seen, type(seen)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("option", "override"),
    [
        pytest.param("lab1", "data.n_train=0.5", id="a fraction of drawn rows"),
        pytest.param("digits", "data.n_train=true", id="a boolean"),
        pytest.param("digits", "data.n_train=many", id="text"),
        pytest.param("table", "data.labels=maybe", id="text for a boolean"),
    ],
)
def test_a_wrong_type_fails_while_composing(option: str, override: str) -> None:
    with pytest.raises(HydraException):
        composed(option, override)
