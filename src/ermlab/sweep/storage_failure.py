"""Says in three parts why the storage of a sweep cannot be used; no password is told."""

import re

import sqlalchemy as sa

from ermlab.errors import ErmlabError, StorageError
from ermlab.sweep.storage_url import KEY, VARIABLE, hide_password

EXAMPLE = "sqlite:///FILE.db or postgresql+psycopg://USER@HOST/DATABASE"
_DRIVERS = {
    "postgresql": "pip install 'ermlab[postgresql]' and begin it with postgresql+psycopg://",
    "mysql": "pip install pymysql and begin it with mysql+pymysql://",
    "mariadb": "pip install pymysql and begin it with mariadb+pymysql://",
}
# What servers and drivers say, and how to mend it. The first that is found counts.
_SIGNS = (
    (
        r"authentication failed|access denied|no password supplied|role .* does not exist",
        "the database does not let this user in",
        f"check user and password; the latter may stand in the variable {VARIABLE}, where *** "
        "stands in the URL",
    ),
    (
        r"database .* does not exist|unknown database",
        "there is no such database",
        "create it (PostgreSQL: createdb NAME), or name one that exists",
    ),
    (
        r"unable to open database file",
        "the file cannot be opened",
        "name a file in a folder that exists and may be written",
    ),
    (
        r"not a database|malformed",
        "the file is not a database",
        "name another file: one that does not exist is created",
    ),
    (
        r"readonly|read-only|permission denied",
        "the database may not be written",
        "let this user create and write tables there",
    ),
    (
        r"locked",
        "another process keeps the database locked",
        "use PostgreSQL for several processes that often write at the same time",
    ),
)


def explain_failure(error: BaseException, url: str) -> ErmlabError:
    """Say why a storage cannot be used.

    Args:
        error: what SQLAlchemy, Optuna or the database's driver raised.
        url: of the storage; its password is left out.
    """
    shown = hide_password(url)
    told = _told(error, url)
    if isinstance(error, sa.exc.NoSuchModuleError):
        kinds = "sqlite, postgresql, mysql, mariadb, mssql, oracle"
        return _failure(f"SQLAlchemy knows no database for {shown}", shown, f"use one of: {kinds}")
    if isinstance(error, ImportError):
        kind = re.split(r"[+:]", url)[0]
        fix = _DRIVERS.get(kind, "install the driver that SQLAlchemy uses for it")
        return _failure(f"the driver of the database is not installed: {told}", shown, fix)
    if isinstance(error, sa.exc.ArgumentError | ValueError | LookupError):
        return _failure(
            f"{shown} is not the URL of a database",
            KEY,
            f"type one such as {EXAMPLE}; in a password write signs like @ or / as %40, %2F",
        )
    if isinstance(error, RuntimeError) and "version" in told:
        fix = "use the Optuna that wrote it, or run `optuna storage upgrade`"
        return _failure(f"another version of Optuna wrote the database: {told}", shown, fix)
    for signs, what, fix in _SIGNS:
        if re.search(signs, told, re.IGNORECASE):
            return _failure(f"{what}: {told}", shown, fix)
    fix = "see that its server runs, and that this machine reaches it; then `ermlab resume` goes on"
    return _failure(f"the storage cannot be reached: {told}", shown, fix)


def _failure(what: str, where: str, fix: str) -> StorageError:
    return StorageError(what, where=where, fix=fix)


def _told(error: BaseException, url: str) -> str:
    """What the database said first, in one line and without the password."""
    while not isinstance(error, sa.exc.SQLAlchemyError) and error.__cause__ is not None:
        error = error.__cause__
    origin = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(origin).splitlines() if line.strip()]
    told = lines[0] if lines else type(origin).__name__
    try:
        password = sa.make_url(url).password
    except (sa.exc.ArgumentError, ValueError):
        return hide_password(told)
    return told.replace(str(password), "***") if password else told
