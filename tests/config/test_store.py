"""The schemas' registration with Hydra, and the folder of the YAML files."""

import pytest
from hydra.core.config_store import ConfigStore

from ermlab.config import store
from ermlab.config.schema import SCHEMAS
from ermlab.config.schema_data import data_schemas
from ermlab.config.store import GROUPS, find_conf_dir, register_schemas

ALL = {**SCHEMAS, "data": data_schemas()}
OPTIONS = [(group, option) for group in GROUPS for option in sorted(ALL[group])]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_each_schema_is_found_by_the_name_of_its_option(group, option):
    register_schemas()
    node = ConfigStore.instance().load(f"{group}/schema_{option}.yaml").node
    assert set(node) == set(ALL[group][option].__dataclass_fields__)


@pytest.mark.parametrize("group", GROUPS)
def test_each_option_of_a_group_has_a_schema_and_each_schema_an_option(group):
    files = {path.stem for path in (find_conf_dir() / group).glob("*.yaml")}
    assert files == set(ALL[group])


def test_registering_twice_changes_nothing():
    register_schemas()
    before = sorted(ConfigStore.instance().list("model"))
    register_schemas()
    assert sorted(ConfigStore.instance().list("model")) == before


def test_the_folder_of_the_yaml_files_holds_the_root_configuration():
    assert (find_conf_dir() / "config.yaml").is_file()


def test_a_packaged_folder_goes_before_the_one_of_the_checkout(tmp_path, monkeypatch):
    packaged = tmp_path / "src" / "ermlab" / "conf"
    packaged.mkdir(parents=True)
    monkeypatch.setattr(store, "__file__", str(tmp_path / "src" / "ermlab" / "config" / "store.py"))
    assert find_conf_dir() == packaged


def test_a_checkout_has_the_folder_beside_src(tmp_path, monkeypatch):
    (tmp_path / "src" / "ermlab" / "config").mkdir(parents=True)
    monkeypatch.setattr(store, "__file__", str(tmp_path / "src" / "ermlab" / "config" / "store.py"))
    assert find_conf_dir() == tmp_path / "conf"
