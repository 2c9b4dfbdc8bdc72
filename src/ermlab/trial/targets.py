"""Makes the object that a config node describes, under the execution whitelist.

A `_target_` names code to call. Only `DEFAULT_ALLOW` and what the user's own trusted code or shell
adds may be called; everything else is refused, and the message says how to allow it.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from ermlab.errors import ErmlabError, TargetError

DEFAULT_ALLOW = ("ermlab.*", "torch.nn.*", "torch.optim.*")
ALLOW_VARIABLE = "ERMLAB_ALLOW"


def allowed_targets(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """List the patterns a `_target_` may match: ours, the caller's, and those of the shell.

    Args:
        extra: patterns such as "my_pkg.*" or "my_pkg.nets.MyNet".

    Returns:
        All patterns; those of the shell come from the variable ERMLAB_ALLOW, separated by commas.
    """
    shell = os.environ.get(ALLOW_VARIABLE, "").replace(":", ",").split(",")
    return (*DEFAULT_ALLOW, *extra, *(pattern.strip() for pattern in shell if pattern.strip()))


def make(node: DictConfig, *args: Any, key: str, allow: Sequence[str]) -> Any:
    """Call a node's `_target_` with its other keys.

    Args:
        node: the configuration of one object.
        args: positional arguments that go before the keys.
        key: where the node stands, for messages.
        allow: patterns of the targets that may be called.

    Raises:
        TargetError: the target is not allowed, not found, or does not take these keys.
        Exception: what the target itself raises, unchanged.
    """
    check_targets(node, key=key, allow=allow)
    try:
        return instantiate(node, *args, _execution_whitelist_=list(allow), _convert_="all")
    except InstantiationException as error:
        raise _explain(error, node, key) from error.__cause__


def find_callable(node: DictConfig, *, key: str, allow: Sequence[str]) -> Any:
    """Find what a node's `_target_` names, without calling it.

    Raises:
        TargetError: the target is not allowed or not found.
    """
    check_targets(node, key=key, allow=allow)
    try:
        return get_object(node["_target_"])
    except Exception as error:  # importing a user's module may raise anything
        raise _not_found(node["_target_"], key, error) from error


def check_targets(node: DictConfig, *, key: str, allow: Sequence[str]) -> None:
    """Refuse a node that has no `_target_`, or one anywhere inside it that is not allowed.

    Raises:
        TargetError: see above.
    """
    if OmegaConf.select(node, "_target_") is None:
        raise TargetError(
            f"{key} does not say what to make: it has no _target_",
            where=key,
            fix=f"set {key}._target_ to a class or function, such as torch.nn.Identity",
        )
    for path, target in _targets(OmegaConf.to_container(node, resolve=True), key):
        if not any(matches(target, pattern) for pattern in allow):
            package = str(target).split(".")[0]
            raise TargetError(
                f"{path} is {target!r}, which ermlab is not allowed to call",
                where=path,
                fix=f"if you trust it, start with {ALLOW_VARIABLE}='{package}.*' ermlab ..., or "
                f'call ermlab.main(allow=["{package}.*"]) from your own script',
            )


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


def _explain(error: InstantiationException, node: DictConfig, key: str) -> BaseException:
    target, cause = node["_target_"], error.__cause__
    if isinstance(cause, ErmlabError):
        return cause
    if cause is None or (
        isinstance(cause, ImportError | AttributeError) and "locating" in str(error)
    ):
        return _not_found(target, key, cause or error)
    if isinstance(cause, TypeError) and "argument" in str(cause):
        keys = ", ".join(str(k) for k in node if k != "_target_") or "no keys"
        return TargetError(
            f"{target} does not take what {key} gives it: {cause}",
            where=key,
            fix=f"match the keys of {key} ({keys}) to the arguments of {target}",
        )
    return cause


def _not_found(target: str, key: str, cause: BaseException) -> TargetError:
    reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return TargetError(
        f"{key}._target_ is {target!r}, which cannot be imported: {reason}",
        where=f"{key}._target_",
        fix="check the spelling; install the package, or start with `python -m ermlab` in the "
        "folder that holds the module",
    )
