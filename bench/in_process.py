"""Both servers in this process, without HTTP: ``python -m bench.in_process``.

The operations of the load generator, its checks included, against each server as a WSGI callable. Only the time inside
the callable counts, in short rounds that alternate; of each server the cheapest round is told. A machine that is busy
with other things disturbs that far less than :mod:`bench.run`, which has the last word.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import io
import json
import os
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Engine, event

from .databases import open_databases
from .http_client import HttpConnection, Response
from .operations import OPERATIONS, Operation
from .report import GOALS
from .servers import CHEAPEST_HASHING, SERVERS, Server, Setup
from .target import DISCOVERY, Endpoints, Target, make_seed
from .virtual_user import fetch_keys, make_user

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass
class Meter:
    """What the server's code has used.

    :ivar seconds: CPU time.
    :ivar profile: told of every call, when there is one.
    """

    seconds: float = 0.0
    profile: cProfile.Profile | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what happens within."""
        if self.profile is not None:
            self.profile.enable()
        before = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - before
            if self.profile is not None:
                self.profile.disable()


@dataclass
class WsgiConnection(HttpConnection):
    """Calls the server where the other one writes to a socket."""

    application: Application = field(kw_only=True)
    meter: Meter = field(kw_only=True)

    def request(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Response:
        self.requests += 1
        environ = self._environ(method, path, headers, body)
        started: list[Any] = []
        with self.meter.running():
            chunks = self.application(environ, lambda status, sent, *_: started.extend((status, sent)))
            content = b"".join(chunks)
            if (close := getattr(chunks, "close", None)) is not None:
                close()
        sent = [(name.lower(), value) for name, value in started[1]]
        return Response(int(started[0].split()[0]), sent, content)

    def _environ(self, method: str, path: str, headers: str, body: bytes) -> Environ:
        location, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(location, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": f"{self.host}:{self.port}",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for line in headers.splitlines():
            name, _, value = line.partition(": ")
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        return environ


@dataclass(frozen=True)
class InProcess(Target):
    """A server that is called; everything else about it is as of one that listens."""

    application: Application
    meter: Meter

    def connect(self) -> WsgiConnection:
        return WsgiConnection(self.host, self.port, application=self.application, meter=self.meter)


def load(server: Server) -> InProcess:
    """Import a server that was set up."""
    os.environ.update(server.environment)
    module, _, name = server.wsgi.partition(":")
    application: Application = getattr(importlib.import_module(module), name)
    nowhere = Endpoints(*[""] * 5)
    setup = server.setup
    target = InProcess(
        "127.0.0.1", server.port, setup.seed.accounts, server.client, nowhere, application, Meter()
    )
    document = json.loads(target.connect().request("GET", DISCOVERY).body)
    object.__setattr__(target, "endpoints", Endpoints.from_discovery(document))
    return target


@dataclass
class Course:
    """One operation on one server, round after round."""

    target: InProcess
    operation: Operation
    rounds: list[float] = field(default_factory=list)

    def run(self, times: int) -> None:
        before = self.target.meter.seconds
        for _ in range(times):
            self.operation.run()
        self.rounds.append((self.target.meter.seconds - before) * 1000 / times)

    def statements(self) -> Counter[str]:
        """Count what one more time of it sends to its database."""
        seen: Counter[str] = Counter()

        def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen[" ".join(statement.split())] += 1

        def committed(_connection: Any) -> None:
            seen["COMMIT"] += 1

        event.listen(Engine, "before_cursor_execute", executed)
        event.listen(Engine, "commit", committed)
        try:
            self.operation.run()
        finally:
            event.remove(Engine, "before_cursor_execute", executed)
            event.remove(Engine, "commit", committed)
        return seen

    def profile(self, times: int) -> pstats.Stats:
        """Tell where the time goes."""
        meter = self.target.meter
        meter.profile = cProfile.Profile()
        self.run(times)
        stats = pstats.Stats(meter.profile)
        meter.profile = None
        return stats


def course(target: InProcess, name: str) -> Course:
    operation = OPERATIONS[name](make_user(target, fetch_keys(target), 0, 1))
    operation.prepare()
    return Course(target, operation)


def compare(targets: dict[str, InProcess], name: str, options: argparse.Namespace) -> None:
    courses = {server: course(target, name) for server, target in targets.items()}
    for number in range(options.rounds + 1):
        for server in sorted(courses, reverse=number % 2 == 1):
            courses[server].run(options.times)
    cheapest = {server: min(found.rounds[1:]) for server, found in courses.items()}
    counts = {server: found.statements() for server, found in courses.items()}
    profiles = {server: found.profile(options.profile_times) for server, found in courses.items()}
    told = [
        f"{server} {cost:6.3f} ms ({calls_of(profiles[server]) // options.profile_times} calls, "
        f"{counts[server].total() - counts[server]['COMMIT']} statements, {counts[server]['COMMIT']} commits)"
        for server, cost in cheapest.items()
    ]
    if len(cheapest) == 2:
        goal = GOALS.get("sign_in_unhashed" if name == "sign_in" else name)
        told.append(f"ratio {cheapest['idprotect'] / cheapest['bare']:.2f} (goal {goal})")
    print(f"{name:20}", "   ".join(told), flush=True)
    for server in courses:
        if options.statements:
            print(f"--- {server}: statements of one {name}")
            print("\n".join(f"{times} {statement[:300]}" for statement, times in counts[server].items()))
        if options.profile:
            print(f"--- {server}: {options.profile_times} x {name}")
            profiles[server].sort_stats(options.profile).print_stats(options.lines)


def calls_of(stats: pstats.Stats) -> int:
    """How many functions were called: of all figures the steadiest."""
    return int(stats.total_calls)  # type: ignore[attr-defined]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--only", choices=SERVERS, help="one server alone")
    parser.add_argument(
        "--operations", default=",".join(OPERATIONS), help="comma-separated (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--times", type=int, default=4, help="operations in a round")
    parser.add_argument("--accounts", type=int, default=16)
    parser.add_argument("--statements", action="store_true", help="print what goes to the database")
    parser.add_argument("--profile", choices=["tottime", "cumulative"], help="print where the time goes, by")
    parser.add_argument("--profile-times", type=int, default=50)
    parser.add_argument("--lines", type=int, default=60, help="of the profile")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="idprotect-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        with open_databases(options.database, directory) as databases:
            seed = make_seed(options.accounts)
            targets = {}
            for server in [options.only] if options.only else list(SERVERS):
                folder = directory / server
                folder.mkdir()
                setup = Setup(databases.create(server), folder, CHEAPEST_HASHING, seed)
                targets[server] = load(SERVERS[server](setup))
            for operation in options.operations.split(","):
                compare(targets, operation, options)


if __name__ == "__main__":
    main()
