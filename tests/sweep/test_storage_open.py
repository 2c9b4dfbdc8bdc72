"""A storage that cannot be used is told in three parts, without its password."""

import pytest

from ermlab.errors import ConfigError, StorageError
from ermlab.sweep.storage_open import open_storage


def text_file(folder):
    path = folder / "notes.txt"
    path.write_text("nothing that a database would write, " * 100)
    return path


CASES = {
    "user": (lambda server, _: server.url(password="wrong@pass"), "does not let this user in"),
    "name": (lambda server, _: server.url("nowhere"), "there is no such database"),
    "port": (lambda server, _: server.url().replace(str(server.port), "1"), "cannot be reached"),
    "driver": (lambda *_: "postgresql+pg8000://a:wrong@h/d", "driver of the database is not inst"),
    "mysql": (lambda *_: "mysql+oursql2://a:wrong@h/d", "SQLAlchemy knows no database"),
    "kind": (lambda *_: "oracel://a:wrong@h/d", "SQLAlchemy knows no database"),
    "redis": (lambda *_: "redis://a:wrong@h/0", "SQLAlchemy knows no database"),
    "number": (lambda *_: "postgresql+psycopg://a:wrong@h:port/d", "is not the URL of a database"),
    "brace": (lambda *_: "sqlite:///{x}.db", "is not the URL of a database"),
    "folder": (lambda *_: "sqlite:////nowhere/at/all.db", "the file cannot be opened"),
    "file": (lambda _, folder: f"sqlite:///{text_file(folder)}", "the file is not a database"),
    "journal": (lambda *_: "journal.log", "is not the URL of a database"),
    "empty": (lambda *_: "", "is not the URL of a database"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_storage_that_cannot_be_used_is_told_in_three_parts(case, postgresql, tmp_path):
    make_url, told = CASES[case]
    with pytest.raises(StorageError, match=told) as caught:
        open_storage(make_url(postgresql, tmp_path), n_trials=1, owner="me")
    assert "\n" not in caught.value.what
    assert "wrong" not in str(caught.value)
    assert "p%40ss" not in str(caught.value)


def test_a_user_who_may_not_create_tables_is_told_so(postgresql):
    url = postgresql.create_database()
    name = url.rpartition("/")[2]
    with postgresql.connect(name) as connection:
        connection.execute("create role guest login password 'guest'")
    guest = f"postgresql+psycopg://guest:guest@127.0.0.1:{postgresql.port}/{name}"
    with pytest.raises(StorageError, match="may not be written: permission denied for schema"):
        open_storage(guest, n_trials=1, owner="me")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url):
    with pytest.raises(ConfigError, match="which ends with the process"):
        open_storage(url, n_trials=1, owner="me")
