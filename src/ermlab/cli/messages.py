"""Turns an error into what the user reads: one message in three parts where it is their mistake.

Errors of Hydra and of the operating system are told in the same form. An error in the user's own
code keeps its traceback, since that is what they need.
"""

import errno
import io
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn, TextIO

import yaml

from ermlab.errors import ConfigError, ErmlabError, name_known
from ermlab.rundir import storage_error
from ermlab.trial.pausing import exit_code

if TYPE_CHECKING:
    from omegaconf.errors import OmegaConfBaseException

HYDRAS_LINE = "Error executing job with overrides: "  # before the error that we tell
# Packages that read what was typed, and complain of it with errors of Python's own.
COMPOSERS = ("hydra", "hydra_plugins", "omegaconf", "optuna")
FULL_ERROR = "HYDRA_FULL_ERROR=1 shows the whole traceback"


class OwnWords(io.TextIOBase):
    """An error stream without the line that Hydra writes before it raises a job's error.

    Args:
        stream: where everything else goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, unless it is that line."""
        return len(text) if text.startswith(HYDRAS_LINE) else self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Give the number of the stream's file."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property in place of an attribute
        """The stream's encoding."""
        return self._stream.encoding


def report(error: BaseException) -> None:
    """Write an error to the error stream.

    Args:
        error: what ended the command.
    """
    told = explain(error)
    if told is not None:
        sys.stderr.write(_printable(f"{type(told).__name__}: {told}\n"))
        return
    traceback.print_exception(error)


def _printable(text: str) -> str:
    """Escape what could command a terminal: a message may quote a stranger's file."""
    shown = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return "".join(shown)


def explain(error: BaseException) -> ErmlabError | None:
    """Say an error in three parts, if it is one that the user can mend; else None."""
    if isinstance(error, ErmlabError):
        return error
    # Here, so that a command that needs neither does not wait for them.
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    for link in _chain(error):
        if isinstance(link, OmegaConfBaseException):
            return _explain_key(link, str(error))
    modules = _modules(error)
    if isinstance(error, HydraException):
        return _explain_composition(str(error))
    if not _is_of_a_trial(modules):
        if isinstance(error, yaml.YAMLError):
            return _explain_yaml(error)
        if isinstance(error, OSError) and error.filename is not None:
            return storage_error(error, error.filename)
        if not isinstance(error, MemoryError) and _innermost(modules) in COMPOSERS:
            return _explain_composition(f"{type(error).__name__}: {error}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return storage_error(error, error.filename or "a file in the folder of the run or sweep")
    if is_out_of_memory(error):
        return ConfigError(
            f"there is not enough memory: {str(error).strip().splitlines()[0]}",
            where="the sizes of data, model and batch",
            fix="make one of them smaller, or use a machine with more memory",
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether NumPy or torch could not get the memory for an array."""
    signs = ("can't allocate memory", "out of memory", "array is too big", "allowed dimension")
    told = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ValueError) and any(sign in told for sign in signs)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # a cause may lead back to itself
        seen.add(id(error))
        yield error
        error = error.__cause__


def _modules(error: BaseException) -> list[str]:
    """List the modules that an error came through, the one that raised it last."""
    frames = traceback.walk_tb(error.__traceback__)
    return [frame.f_globals.get("__name__", "") for frame, _ in frames]


def _innermost(modules: Sequence[str]) -> str:
    """The package that raised an error, or called a part of Python that did."""
    packages = [module.split(".")[0] for module in modules]
    passed = {"numpy", *sys.stdlib_module_names}
    foreign = [name for name in packages if name not in passed]
    return foreign[-1] if foreign else ""


def _is_of_a_trial(modules: Sequence[str]) -> bool:
    # A trial in a worker process left its frames there; Hydra raises its error again from here.
    is_raised_again = modules[-1:] == ["hydra.core.utils"]
    return is_raised_again or any(module.startswith("ermlab.trial.") for module in modules)


def _explain_key(error: "OmegaConfBaseException", told: str) -> ConfigError:
    """Tell of a key that is unknown, or a value of the wrong type, while composing."""
    from omegaconf import DictConfig
    from omegaconf.errors import InterpolationResolutionError

    key = error.full_key or str(error.key or "the configuration")
    first = str(error).splitlines()[0]
    if isinstance(error, InterpolationResolutionError):
        return ConfigError(
            f"{key} has an interpolation that cannot be resolved: {first}",
            where=_origin(told) or key,
            fix="name a key that exists, as in ${data.n_inputs}",
        )
    parent = error.parent_node
    known = [str(k) for k in parent] if isinstance(parent, DictConfig) else []
    if error.key is not None and str(error.key) not in known and known:
        return ConfigError(
            f"there is no key {key}",
            where=_origin(told) or key,
            fix=f"use one of: {name_known(name for name in known if name != '_target_')}",
        )
    return ConfigError(
        f"{key} has a value that it cannot have: {first}",
        where=_origin(told) or key,
        fix=f"give {key} a value of its type",
    )


def _explain_composition(told: str) -> ConfigError:
    """Tell of an option that is not there, or of an override that cannot be read."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    missing = re.search(r"Could not find '([^']+)'", told)
    options = re.search(r"Available options in '[^']*':\n((?:\t.*\n?)+)", told)
    if missing and options:
        group, _, option = missing[1].rpartition("/")
        return ConfigError(
            f"there is no {group}={option}",
            where=group,
            fix=f"use one of: {name_known(_without_schemas(options[1].split()))}",
        )
    if several := re.search(r"Ambiguous value for argument '([^'=]+)=([^']*)'", told):
        key, values = several.groups()
        return ConfigError(
            f"{key} has several values, {values}, but this is a single run",
            where=key,
            fix=f"add -m, for a run with each: ermlab -m {key}={values}; a list is typed "
            f"'{key}=[{values}]'",
        )
    return ConfigError(
        " ".join(lines[:3]) or "the configuration cannot be composed",
        where="the command line or a configuration file",
        fix=f"ermlab --help lists the groups and keys; {FULL_ERROR}",
    )


def _explain_yaml(error: yaml.YAMLError) -> ConfigError:
    """Tell in which line of a file YAML breaks off."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    place = "a file" if mark is None else f"{mark.name}, line {mark.line + 1}"
    return ConfigError(
        f"a configuration file is not YAML: {problem}",
        where=place if mark is None else f"{place}, column {mark.column + 1}",
        fix="mend that line or the one above: close brackets and quotes, indent with spaces, and "
        "quote text that holds `: `, ` #` or begins with a sign such as [, {, *, &",
    )


def _without_schemas(options: Iterable[str]) -> list[str]:
    return [option for option in options if not option.startswith("schema_")]


def _origin(told: str) -> str | None:
    """Find the override or file that a message of Hydra's names, if it does."""
    found = re.search(r"Could not override '([^']+)'|In '([^']+)'", told)
    return None if found is None else f"{found[1] or found[2]}"


def end_interrupted(interrupt: KeyboardInterrupt, told: str = "") -> NoReturn:
    """End as the shell expects it after Ctrl-C or SIGTERM, with a last word.

    Args:
        interrupt: what has ended the work.
        told: the last word; empty: what the interrupt says, or that the work is kept.

    Raises:
        SystemExit: code 130 after Ctrl-C, 143 after SIGTERM.
    """
    last = told or str(interrupt) or "interrupted; what was written so far is kept"
    sys.stderr.write(f"\n{last}\n")
    raise SystemExit(exit_code(interrupt)) from interrupt
