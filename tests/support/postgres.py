"""A private PostgreSQL for the tests: one cluster for a whole run, one fresh database for each who asks.

All pytest-xdist workers of a run share the cluster. It listens on a Unix socket in a private folder only, and
goes away by itself when the last process that used it has ended (see `postgres_keeper.py`).
"""

import fcntl
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from . import unavailable

START_SECONDS = 90
KEEPER = Path(__file__).with_name("postgres_keeper.py")


@dataclass(frozen=True)
class Cluster:
    """A running server: where its socket is, and the folder in which the run's processes share locks."""

    socket: str
    shared: Path

    def url(self, name: str) -> str:
        """Return a database's SQLAlchemy URL; it has no percent sign, so that Alembic's files take it."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.socket}"

    def create(self, template: str = "template0") -> str:
        """Make a fresh database, a copy of `template`, and return its name."""
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def drop(self, name: str) -> None:
        """Remove a database, ending the connections that a test forgot."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Lend the URL of a fresh database."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def template(self, name: str, build: Callable[[str], None]) -> str:
        """Return `name`, a database to copy, after letting `build(url)` fill it if no worker has done so yet.

        `build` must close its connections. A half-built template never carries the name.
        """
        with _locked(self.shared / f"postgres.template.{name}", fcntl.LOCK_EX):
            if not self._exists(name):
                unfinished = self.create()
                try:
                    build(self.url(unfinished))
                    self._execute("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", unfinished)
                    self._execute("ALTER DATABASE {} RENAME TO {}", unfinished, name)
                except BaseException:
                    self.drop(unfinished)
                    raise
        return name

    def _exists(self, name: str) -> bool:
        with self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return found is not None

    def _execute(self, statement: str, *names: str) -> None:
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(host=self.socket, user="postgres", dbname="postgres", autocommit=True)


@contextmanager
def running_cluster(shared: Path) -> Iterator[Cluster]:
    """Use the cluster of all processes that name the same folder, starting it if we are the first.

    Skips (or fails, when `CI=true`) where the server's binaries are missing.
    """
    binaries = find_binaries() or unavailable("PostgreSQL's initdb and postgres are not installed")
    with _locked(shared / "postgres.users", fcntl.LOCK_SH):
        with _locked(shared / "postgres.start", fcntl.LOCK_EX):
            state = _state(shared) or _start(binaries, shared)
        if "error" in state:
            raise RuntimeError(f"no PostgreSQL: {state['error']}\n{_log(shared)}")
        yield Cluster(state["socket"], shared)


def find_binaries() -> Path | None:
    """Return the folder of the newest server, as `pg_config` tells it or as Debian and Ubuntu lay it out."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        folders.insert(0, Path(told.stdout.strip()))
    for name in filter(None, [shutil.which("postgres")]):
        folders.append(Path(name).parent)
    return next((f for f in folders if (f / "initdb").is_file() and (f / "postgres").is_file()), None)


def shared_folder(config: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that belongs to this run and is the same in all its workers."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(config, "workerinput") else own


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The run's cluster."""
    with running_cluster(shared_folder(request.config, tmp_path_factory)) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database that this test has for itself."""
    with postgres.database() as url:
        yield url


def _version(binaries: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", binaries.parent.name)]


def _start(binaries: Path, shared: Path) -> dict[str, Any]:
    """Start a keeper and wait for what it says."""
    arguments = [str(KEEPER), str(binaries), str(shared / "postgres.users"), str(shared / "postgres.json")]
    with open(shared / "postgres.log", "ab") as log:
        command = [sys.executable, "-I", *arguments]
        subprocess.run(command, check=True, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = _state(shared)
        if state:
            return state
        time.sleep(0.05)
    return {"error": f"no answer for {START_SECONDS} seconds"}


def _state(shared: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads((shared / "postgres.json").read_text())
    except FileNotFoundError:
        return None
    return state


def _log(shared: Path) -> str:
    return (shared / "postgres.log").read_text(errors="replace")[-4000:]


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Hold a lock on a file that all processes share; the kernel lets go of it when we die."""
    with open(path, "a") as lock:
        fcntl.flock(lock, how)
        yield
