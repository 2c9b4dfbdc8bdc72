"""Makes the object that a config node describes, under the execution whitelist.

A `_target_` names code to call. Only `DEFAULT_ALLOW` and what the user's own trusted code or shell
adds may be called; everything else is refused, and the message says how to allow it.
"""

import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import MISSING, DictConfig

from ermlab.config.plain import to_plain
from ermlab.errors import TargetError

# Of ermlab only what is meant to be configured: the rest has functions that start programs.
DEFAULT_ALLOW = (
    "ermlab.data.bundled.*",
    "ermlab.data.graph_table.graph_table",
    "ermlab.data.lab1.*",
    "ermlab.data.source_localization.source_localization",
    "ermlab.data.table.table",
    "ermlab.model.*",
    "ermlab.objective.*",
    "ermlab.optimizer.rules.*",
    "ermlab.loop.plan.*",
    "ermlab.plugins.*",
    "ermlab.tracker.mlflow.MLflow",
    "ermlab.tracker.tensorboard.TensorBoard",
    "ermlab.tracker.wandb.WandB",
    "torch.nn.*",
    "torch.optim.*",
)
ALLOW_VARIABLE = "ERMLAB_ALLOW"


def allowed_targets(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """List the patterns a `_target_` may match: ours, the caller's, and those of the shell.

    Args:
        extra: patterns such as "my_pkg.*" or "my_pkg.nets.MyNet".

    Returns:
        All patterns; those of the shell come from the variable ERMLAB_ALLOW, separated by commas.

    Raises:
        TargetError: a pattern is neither a full name nor a package followed by `.*`.
    """
    words = os.environ.get(ALLOW_VARIABLE, "").replace(":", ",").split(",")
    shell = [word.strip() for word in words if word.strip()]
    for pattern in (*extra, *shell):
        if not pattern.removesuffix(".*") or "*" in pattern.removesuffix(".*"):
            raise TargetError(
                f"{pattern!r} is no pattern of targets",
                where=ALLOW_VARIABLE if pattern in shell else "allow",
                fix='write a full name, "my_pkg.nets.MyNet", or a package with `.*`, "my_pkg.*"',
            )
    return (*DEFAULT_ALLOW, *extra, *shell)


def make(
    node: DictConfig,
    *args: Any,
    key: str,
    allow: Sequence[str],
    beside: Mapping[str, Any] | None = None,
) -> Any:
    """Call a node's `_target_` with its other keys.

    Args:
        node: the configuration of one object.
        args: positional arguments that go before the keys.
        key: where the node stands, for messages.
        allow: patterns of the targets that may be called.
        beside: further arguments by name, which are not configuration.

    Raises:
        TargetError: the target is not allowed, not found, does not take these keys, or refuses
            their values with a TypeError or ValueError.
        Exception: what else the target itself raises, unchanged.
    """
    plain = check_targets(node, key=key, allow=allow)
    given = {name: value for name, value in plain.items() if name != "_target_"}
    more = {} if beside is None else beside
    ours = _find_ours(node, str(plain["_target_"]))
    try:
        if ours is not None:
            return ours(*args, **given, **more)
        options: dict[str, Any] = {"_execution_whitelist_": list(allow), "_convert_": "all"}
        return instantiate(node, *args, **more, **options)
    except InstantiationException as error:
        raise _explain(error, key) from error
    except (TypeError, ValueError) as error:
        if _is_in_target(error):
            if given:
                raise _refused(node, given, key, error) from error
            raise  # no value of the configuration can be the cause
        keys = ", ".join(str(k) for k in node if k != "_target_") or "no keys"
        raise TargetError(
            f"{node['_target_']} does not take what {key} gives it: {error}",
            where=key,
            fix=f"match the keys of {key} ({keys}) to the arguments of {node['_target_']}",
        ) from error


def _find_ours(node: DictConfig, target: str) -> Any:
    """Find a class of ours with a schema, which needs none of Hydra's copies; or None."""
    if not target.startswith("ermlab.") or node._metadata.object_type in (None, dict):
        return None
    try:
        found = _find(target)
    except Exception:  # noqa: BLE001  # Hydra says in its own words what is wrong
        return None
    # Not what a module of ours imports: ermlab.trial.files.os.remove is no target of ours.
    return found if str(getattr(found, "__module__", "")).startswith("ermlab.") else None


def find_callable(node: DictConfig, *, key: str, allow: Sequence[str]) -> Any:
    """Find what a node's `_target_` names, without calling it.

    Raises:
        TargetError: the target is not allowed or not found.
    """
    target = check_targets(node, key=key, allow=allow)["_target_"]
    try:
        return _find(target)
    except Exception as error:  # importing a user's module may raise anything
        raise _not_found(target, key, error) from error


def _find(target: str) -> Any:
    """Find what a name stands for, at once where its module is imported."""
    module, _, name = target.rpartition(".")
    loaded = sys.modules.get(module)
    found = None if loaded is None else getattr(loaded, name, None)
    return get_object(target) if found is None else found


def check_targets(node: DictConfig, *, key: str, allow: Sequence[str]) -> dict[str, Any]:
    """Refuse a node that has no `_target_`, or one anywhere inside it that is not allowed.

    Returns:
        The node's plain values.

    Raises:
        TargetError: see above.
    """
    plain = to_plain(node) if isinstance(node, DictConfig) and node else {}
    if plain.get("_target_") in (None, MISSING):
        raise TargetError(
            f"{key} does not say what to make: it has no _target_",
            where=key,
            fix=f"set {key}._target_ to a class or function, such as torch.nn.Identity",
        )
    for path, target in _targets(plain, key):
        if not any(matches(target, pattern) for pattern in allow):
            package = str(target).split(".")[0]
            raise TargetError(
                f"{path} is {target!r}, which ermlab is not allowed to call",
                where=path,
                fix=f"if you trust it, start with {ALLOW_VARIABLE}='{package}.*' ermlab ..., or "
                f'call ermlab.main(allow=["{package}.*"]) from your own script',
            )
    return plain


def matches(target: object, pattern: str) -> bool:
    """Whether a target is the pattern, or lies below a pattern that ends in `.*`."""
    if not isinstance(target, str):
        return False
    if pattern.endswith(".*"):
        return target.startswith(pattern[:-1])
    return target == pattern


def _targets(value: object, path: str) -> Iterator[tuple[str, object]]:
    """List every `_target_` inside a plain container, with its path."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [(f"{path}.{key}", inner)] if key == "_target_" else []
            yield from _targets(inner, f"{path}.{key}")


def _explain(error: InstantiationException, key: str) -> TargetError:
    told = " ".join(str(error).split())
    if (located := re.match(r"Error locating target '([^']*)'", told)) and error.__cause__:
        return _not_found(located[1], key, error.__cause__)
    return TargetError(
        f"{key} asks for a call that is not allowed: {told}",
        where=key,
        fix="name the class or function by the module that defines it, not by one that imports it",
    )


def _refused(node: DictConfig, given: Mapping[str, Any], key: str, error: Exception) -> TargetError:
    """Tell which values a target was given and where it refused them."""
    shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
    last = traceback.extract_tb(error.__traceback__)[-1]
    told = " ".join(str(error).split("full_key: ")[0].split())  # Hydra adds the key to the text
    return TargetError(
        f"{node['_target_']} failed with {shown}: {type(error).__name__}: {told}",
        where=f"{key}, in {last.filename}:{last.lineno}",
        fix=f"change a value of {key}, or the code there; HYDRA_FULL_ERROR=1 shows the whole "
        "traceback, and traceback.txt in the run directory holds it",
    )


def _is_in_target(error: Exception) -> bool:
    # Arguments that do not fit fail in our call or Hydra's; anything later, in the target's lines.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = "" if trace is None else trace.tb_frame.f_globals["__name__"]
    return raised_in != __name__ and not raised_in.startswith("hydra.")


def _not_found(target: str, key: str, cause: BaseException) -> TargetError:
    return TargetError(
        f"{key}._target_ is {target!r}, which cannot be imported: {' '.join(str(cause).split())}",
        where=f"{key}._target_",
        fix="check the spelling; install the package, or start with `python -m ermlab` in the "
        "folder that holds the module",
    )
