"""The errors that ermlab raises for a user's mistake, each in three parts.

Every message says what is wrong with the value that was seen, where it was set, and how to mend
it. The command line prints these without a traceback. Errors of the user's own code are not here:
they keep their own type and traceback.
"""

from collections.abc import Iterable


class ErmlabError(Exception):
    """A mistake that the user can mend, told in three parts.

    Args:
        what: one sentence about what is wrong, with the value seen.
        where: the key, file or command in which it was set.
        fix: what to type or change instead.
    """

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  fix:   {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, which worker processes need.
        return (_rebuild, (type(self), self.what, self.where, self.fix))


class ConfigError(ErmlabError):
    """A key, a type or a value of the configuration is wrong."""


class DataError(ErmlabError):
    """The data cannot be read, or are not what the configuration says."""


class ShapeError(ErmlabError):
    """Two arrays or modules do not fit each other."""


class DeviceError(ErmlabError):
    """The device that was asked for is not on this machine."""


class RunDirError(ErmlabError):
    """A run directory cannot be read or written."""


class CheckpointError(ErmlabError):
    """An interrupted run cannot be continued from its checkpoint, or none can be made of it."""


class StackError(ErmlabError):
    """Trials cannot train in one stack."""


class StorageError(ErmlabError):
    """The database of a sweep's study cannot be reached, or does not hold such a study."""


class TrialError(ErmlabError):
    """A trial of a sweep was ended by its process, or by code that is not ermlab's."""


class TargetError(ErmlabError):
    """A `_target_` cannot be found, is not allowed, or cannot be called with its keys."""


def name_known(names: Iterable[str]) -> str:
    """Join the known names for a message about an unknown one, sorted; `none` when empty."""
    return ", ".join(sorted(names)) or "none"


def describe_error(error: BaseException) -> str:
    """Put an error into one line for a table: its type, and what it says first."""
    what = error.what if isinstance(error, ErmlabError) else str(error)
    first_line = what.strip().splitlines()[0] if what.strip() else "no message"
    return f"{type(error).__name__}: {first_line}"


def _rebuild(kind: type[ErmlabError], what: str, where: str, fix: str) -> ErmlabError:
    return kind(what, where=where, fix=fix)
