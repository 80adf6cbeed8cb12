"""The databases under the servers: a SQLite file each, or one each in a private PostgreSQL cluster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from .processes import (
    BenchmarkError,
    Child,
    Memory,
    command_line,
    cpu_seconds,
    guard,
    memory_of,
    process_tree,
)

POSTGRES_USER = "postgres"


class Databases(AbstractContextManager["Databases"], ABC):
    """Where a run's databases live; each server gets its own."""

    kind: str

    @abstractmethod
    def create(self, name: str) -> str:
        """Make an empty database and return its SQLAlchemy URL."""

    def cpu_seconds(self) -> float:
        """CPU spent outside the servers' own processes."""
        return 0.0

    def memory(self, name: str) -> Memory | None:
        """Memory of the database's processes that serve this one database."""
        return None

    def __exit__(self, *exception: object) -> None:
        return None


class SqliteFiles(Databases):
    kind = "sqlite"

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, name: str) -> str:
        return f"sqlite:///{self.directory / name}.sqlite3"


class PostgresCluster(Databases):
    """A cluster in the run's own folder, reachable only by a Unix socket there; initdb's settings."""

    kind = "postgresql"

    def __init__(self, directory: Path) -> None:
        self.binaries = find_postgres()
        self.directory = directory / "postgresql"
        self.directory.mkdir(mode=0o700)
        self.user = POSTGRES_USER if os.geteuid() == 0 else None
        if self.user:
            directory.chmod(0o711)
            shutil.chown(self.directory, self.user, self.user)
        self._init()
        self.child = self._start()

    def _init(self) -> None:
        command = [*guard(signal.SIGTERM, self.user), str(self.binaries / "initdb")]
        command += ["-D", str(self.directory / "data"), "-A", "trust"]
        command += ["-U", POSTGRES_USER, "-E", "UTF8", "--no-locale"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120)
        if done.returncode:
            raise BenchmarkError(f"initdb failed:\n{done.stderr}")

    def _start(self) -> Child:
        arguments = [str(self.binaries / "postgres"), "-D", str(self.directory / "data")]
        arguments += ["-k", str(self.directory), "-c", "listen_addresses="]
        log = self.directory.parent / "postgresql.log"
        child = Child(arguments, log, user=self.user, directory=Path("/"), stop_signal=signal.SIGINT)
        try:
            child.wait_until(self._answers)
        except BaseException:
            child.__exit__()
            raise
        return child

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.directory),
            user=POSTGRES_USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=3,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def create(self, name: str) -> str:
        with self._connect() as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return f"postgresql://{POSTGRES_USER}@/{name}?host={self.directory}"

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.child.pid)

    def memory(self, name: str) -> Memory | None:
        mark = f"postgres: {POSTGRES_USER} {name} "
        return memory_of(pid for pid in process_tree(self.child.pid) if command_line(pid).startswith(mark))

    def __exit__(self, *exception: object) -> None:
        self.child.__exit__(*exception)


def find_postgres() -> Path:
    """The newest PostgreSQL's programs: those on the path or Debian's."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not installed:
        raise BenchmarkError("PostgreSQL's programs (initdb, postgres) are not installed")
    return installed[-1]


def open_databases(kind: str, directory: Path) -> Databases:
    return SqliteFiles(directory) if kind == "sqlite" else PostgresCluster(directory)
