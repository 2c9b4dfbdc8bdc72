"""A real PostgreSQL server for the tests of sweeps that processes share.

It is private to the test process: a temporary folder, loopback only, a free port. Where its
programs are missing they are installed, if that can be done without asking (root on Debian).
"""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

USER, PASSWORD = "ada", "p@ss/w:rd%"  # signs that must be percent-encoded in a URL
START_S = 60


SETTINGS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]


class Server:
    """A server, which is to be started.

    Args:
        programs: the folder of its programs.
        folder: of its data and its log.
        port: on 127.0.0.1.
        user: whose process it is, as `Popen` takes it.
    """

    def __init__(self, programs: Path, folder: Path, port: int, user: dict[str, Any]) -> None:
        self._programs, self._folder, self.port, self._user = programs, folder, port, user

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for each in SETTINGS for word in ("-c", each)]
        program, data = self._programs / "postgres", self._folder / "data"
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [program, "-D", data, "-p", str(self.port), *options],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._user,
            )
        end = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as `pg_ctl stop -m fast` does, without waiting for its clients."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=START_S)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """The URL of a database, as SQLAlchemy takes it."""
        secret = password if password == "***" else quote(password, safe="")
        return f"postgresql+psycopg://{USER}:{secret}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection past SQLAlchemy."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database,
            autocommit=True,
        )  # fmt: skip

    def create_database(self) -> str:
        """Create a database and return its URL."""
        name = f"d{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(f"create database {name}")
        return self.url(name)


def find_programs() -> Path | None:
    """The folder with initdb and postgres, the newest version first."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    return next((each for each in folders if (each / "initdb").is_file()), None)


def install_programs() -> None:
    """Install Debian's package; other test processes wait meanwhile. It starts no server."""
    with (Path(tempfile.gettempdir()) / "ermlab-postgresql.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find_programs() is not None:
            return
        own = Path("/etc/postgresql-common/createcluster.conf")
        if not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text("create_main_cluster = false\n")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
            subprocess.run(
                ["apt-get", "-qq", *words], env=environment, check=False, timeout=600,
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server that lives as long as the test process."""
    is_root = os.geteuid() == 0
    if find_programs() is None and is_root and shutil.which("apt-get"):
        install_programs()
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not there, and cannot be installed without root's apt")
    # initdb refuses root; a folder below pytest's own could not be entered by another user.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if is_root else {}
    folder = Path(tempfile.mkdtemp(prefix="ermlab-postgresql-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if is_root:
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
    words = [f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
    words += ["--encoding=UTF8", "--locale=C", f"--pgdata={folder / 'data'}"]
    done = subprocess.run(
        [programs / "initdb", *words], cwd=folder, capture_output=True, text=True, check=False,
        **user,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(programs, folder, free.getsockname()[1], user)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
