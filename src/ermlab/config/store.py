"""Registers the schemas with Hydra and tells where the YAML files are."""

from pathlib import Path

from hydra.core.config_store import ConfigStore

from ermlab.config.schema import SCHEMAS, Config
from ermlab.config.schema_data import data_schemas

GROUPS = ("data", "model", "loss", "optimizer", "loop", "tracker")


def register_schemas() -> None:
    """Make the schemas known to Hydra: `schema`, and `GROUP/schema_OPTION` for each option.

    Calling it again changes nothing.
    """
    store = ConfigStore.instance()
    store.store(name="schema", node=Config, replace=True)
    for group, options in {**SCHEMAS, "data": data_schemas()}.items():
        for option, schema in options.items():
            store.store(group=group, name=f"schema_{option}", node=schema, replace=True)


def find_schema(group: str, option: str | None) -> type | None:
    """Find the schema of an option of ours; None for an option of the user's own."""
    schemas = data_schemas() if group == "data" else SCHEMAS[group]
    return schemas.get(option or "")


def find_conf_dir() -> Path:
    """Find the folder of YAML files: the packaged one if there is one, else the checkout's.

    Returns:
        An absolute path. A wheel carries the files inside the package; an editable install and a
        checkout use `conf/` beside `src/`.
    """
    package = Path(__file__).resolve().parents[1]
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parents[1] / "conf"
