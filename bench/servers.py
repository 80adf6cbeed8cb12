"""How each server is set up, seeded and started: one adapter class each, alone in knowing its ways."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .http_client import HttpConnection, HttpError, Response
from .processes import BenchmarkError, Child, Memory, cpu_seconds, free_port, memory_of, process_tree
from .target import DISCOVERY, Account, Client, Endpoints, Seed, Target

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
WORKERS = 2
#: Without a user, idprotect gives out nothing but its own interfaces.
OWN_SCOPE = "idprotect:findings"
SETUP_SECONDS = 300


@dataclass(frozen=True)
class Hashing:
    """argon2id parameters, the same for both servers."""

    time_cost: int
    memory_kib: int
    parallelism: int

    def __str__(self) -> str:
        return f"argon2id m={self.memory_kib} KiB t={self.time_cost} p={self.parallelism}"


FULL_HASHING = Hashing(time_cost=2, memory_kib=19456, parallelism=1)
CHEAPEST_HASHING = Hashing(time_cost=1, memory_kib=8, parallelism=1)


@dataclass(frozen=True)
class Setup:
    """What an adapter is given: an empty database, an empty folder, and how to behave."""

    database_url: str
    directory: Path
    hashing: Hashing
    seed: Seed
    public_client: bool = False
    refresh_id_token: bool = False

    @property
    def client(self) -> Client:
        return self.seed.public if self.public_client else self.seed.confidential


class Server(AbstractContextManager["Server"], ABC):
    """One server, set up from an empty database; in its context it runs under gunicorn, for a load generator."""

    name: str
    wsgi: str
    worker_options: list[str]

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.port = free_port()
        self.environment = {**inherited_environment(), **self.settings()}
        self.client = self.prepare()

    def __enter__(self) -> Server:
        self.child = self._start()
        self.endpoints = Endpoints.from_discovery(json.loads(self._discovery().body))
        return self

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """The environment variables that configure this server."""

    @abstractmethod
    def prepare(self) -> Client:
        """Create tables, accounts and clients; return the load generator's client as the server knows it."""

    @property
    def issuer(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def target(self) -> Target:
        return Target(HOST, self.port, self.setup.seed.accounts, self.client, self.endpoints)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.child.pid)

    def memory(self) -> Memory:
        """Of the workers; gunicorn's arbiter, which never loads the application, is left out."""
        return memory_of(process_tree(self.child.pid)[1:])

    def run(self, arguments: list[str], stdin: str = "") -> str:
        """Run a set-up command in the server's environment and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            timeout=SETUP_SECONDS,
        )
        if done.returncode:
            raise BenchmarkError(f"{self.name}: {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _start(self) -> Child:
        arguments = [sys.executable, "-m", "gunicorn", self.wsgi, "--bind", f"{HOST}:{self.port}"]
        arguments += ["--workers", str(WORKERS), "--no-control-socket", "--log-level", "warning"]
        arguments += self.worker_options
        log = self.setup.directory / "gunicorn.log"
        child = Child(arguments, log, environment=self.environment, directory=ROOT)
        try:
            child.wait_until(self._answers)
        except BaseException:
            child.__exit__()
            raise
        return child

    def _answers(self) -> bool:
        try:
            return self._discovery().status == 200
        except (HttpError, OSError):
            return False

    def _discovery(self) -> Response:
        connection = HttpConnection(HOST, self.port)
        try:
            return connection.request("GET", DISCOVERY)
        finally:
            connection.close()

    def __exit__(self, *exception: object) -> None:
        self.child.__exit__(*exception)


class BareServer(Server):
    """Authlib as documented (bench/bare), under gunicorn's default sync workers."""

    name = "bare"
    wsgi = "bench.bare.wsgi:app"
    worker_options = ["--worker-class", "sync"]

    def settings(self) -> dict[str, str]:
        hashing = self.setup.hashing
        return {
            "BARE_ISSUER": self.issuer,
            "BARE_DATABASE_URL": self.setup.database_url,
            "BARE_SECRET_KEY": secrets.token_hex(32),
            "BARE_SIGNING_KEY": str(self.setup.directory / "signing-key.json"),
            "BARE_ARGON2_TIME_COST": str(hashing.time_cost),
            "BARE_ARGON2_MEMORY_KIB": str(hashing.memory_kib),
            "BARE_ARGON2_PARALLELISM": str(hashing.parallelism),
            "BARE_REFRESH_ID_TOKEN": "1" if self.setup.refresh_id_token else "0",
        }

    def prepare(self) -> Client:
        seed = self.setup.seed
        content = {
            "accounts": [vars(account) for account in seed.accounts],
            "clients": [vars(client) for client in (seed.confidential, seed.public)],
        }
        self.run(["-m", "bench.bare.seed"], stdin=json.dumps(content))
        return self.setup.client


class IdprotectServer(Server):
    """idprotect from this checkout, under gunicorn's threads with keep-alive.

    Whatever changes about its set-up is changed here: settings and commands.
    """

    name = "idprotect"
    wsgi = "wsgi:app"
    worker_options = ["--config", "python:idprotect.gunicorn_settings"]

    def settings(self) -> dict[str, str]:
        hashing = self.setup.hashing
        instance = self.setup.directory / "instance"
        instance.mkdir(exist_ok=True)
        return {
            "IDPROTECT_ISSUER": self.issuer,
            "IDPROTECT_DATABASE_URL": self.setup.database_url,
            "IDPROTECT_INSTANCE_DIR": str(instance),
            "IDPROTECT_DEVELOPMENT": "1",
            "IDPROTECT_ARGON2_TIME_COST": str(hashing.time_cost),
            "IDPROTECT_ARGON2_MEMORY_KIB": str(hashing.memory_kib),
            "IDPROTECT_ARGON2_PARALLELISM": str(hashing.parallelism),
        }

    def prepare(self) -> Client:
        seed = self.setup.seed
        commands = [
            {"arguments": ["idprotect", "init"]},
            *(self.create_user(account) for account in seed.accounts),
            *(self.create_client(client) for client in (seed.confidential, seed.public)),
        ]
        self.run(["-m", "bench.flask_commands", self.wsgi], stdin=json.dumps(commands))
        return replace(self.setup.client, own_scope=OWN_SCOPE)

    @staticmethod
    def create_user(account: Account) -> dict[str, Any]:
        arguments = ["idprotect", "user", "create", account.username, "--password-stdin"]
        return {"arguments": arguments, "input": account.password + "\n"}

    @staticmethod
    def create_client(client: Client) -> dict[str, Any]:
        arguments = ["idprotect", "client", "create", client.client_id, "--id", client.client_id]
        arguments += ["--redirect-uri", client.redirect_uri, "--first-party"]
        if client.client_secret is None:
            return {"arguments": [*arguments, "--public"]}
        for grant in ("authorization_code", "refresh_token", "client_credentials"):
            arguments += ["--grant", grant]
        for scope in (*client.scope.split(), OWN_SCOPE):
            arguments += ["--scope", scope]
        return {"arguments": [*arguments, "--secret-stdin"], "input": client.client_secret + "\n"}


SERVERS: dict[str, type[Server]] = {server.name: server for server in (BareServer, IdprotectServer)}


def inherited_environment() -> dict[str, str]:
    """This process's environment without settings that would reach into either server."""
    mine = ("BARE_", "IDPROTECT_", "FLASK_", "GUNICORN_", "AUTHLIB_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return {**kept, "PYTHONPATH": str(ROOT)}
