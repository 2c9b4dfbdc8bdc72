"""What `ermlab --help` lists: the groups and options that one may choose, without the schemas."""

from collections.abc import Iterator

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

RESOLVER = "ermlab.groups"  # conf/config.yaml names it in the template of the help page


def register_help() -> None:
    """Make the list of groups known to the help page's template.

    Hydra's own list has every config of its store, schemas included, and no way to leave one out.
    """
    OmegaConf.register_resolver(RESOLVER, list_groups, replace=True)


def list_groups() -> str:
    """List each group with its options, one line each, those of --config-dir included."""
    groups = {group: _options(group) for group in _groups("") if group != "hydra"}
    return "\n".join(
        f"{group}: {', '.join(options)}" for group, options in groups.items() if options
    )


def _groups(parent: str) -> Iterator[str]:
    for name in sorted(GlobalHydra.instance().config_loader().list_groups(parent)):
        group = f"{parent}/{name}" if parent else name
        yield group
        if group != "hydra":  # its groups have a page of their own: --hydra-help
            yield from _groups(group)


def _options(group: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    options = loader.get_group_options(group, ObjectType.CONFIG)
    return sorted(option for option in options if not option.startswith("schema_"))
