"""Real servers on a free loopback port: a WSGI application in a thread, or gunicorn as a process.

The port is bound before the application is built, so its own URL can be part of its configuration and no two
servers ever race for a port.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import WSGIApplication

from idprotect.testing.http import serve as serve_built

from . import PROJECT

READY_SECONDS = 30
Environment = Mapping[str, str]


@contextmanager
def serve(app: WSGIApplication, *, name: str = "127.0.0.1") -> Iterator[str]:
    """Run `app` in a thread and yield its URL, `http://<name>:<port>`; `localhost` is another site."""
    with serve_built(lambda url: app, name=name) as url:
        yield url


@dataclass(frozen=True)
class Gunicorn:
    """A running gunicorn: its URL, its master process, and what it has written."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Return everything it has written so far."""
        return self.log_file.read_text(errors="replace")


@contextmanager
def gunicorn(
    args: Sequence[str],
    env: Environment | Callable[[str], Environment] | None = None,
    *,
    name: str = "127.0.0.1",
    ready: str = "/",
) -> Iterator[Gunicorn]:
    """Run `gunicorn *args` (all but `--bind`), wait until it answers `GET ready`, and always kill it.

    `env` is added to our own environment; as a function it is given the URL. The end reaches the workers too,
    also when the master is stopped or stuck.
    """
    with tempfile.TemporaryDirectory(prefix="idprotect-gunicorn-") as folder:
        with _listen() as listener:
            url = f"http://{name}:{listener.getsockname()[1]}"
            added = env(url) if callable(env) else env or {}
            server = Gunicorn(url, _spawn(args, added, listener, folder), Path(folder, "log"))
        try:
            _wait_until_ready(server, ready)
            yield server
        finally:
            _end(server.process)


def _listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.set_inheritable(True)
    return listener


def _spawn(
    args: Sequence[str], env: Environment, listener: socket.socket, folder: str
) -> subprocess.Popen[bytes]:
    bind = f"fd://{listener.fileno()}"
    command = [sys.executable, "-m", "gunicorn", "--bind", bind, "--no-control-socket", *args]
    with open(Path(folder, "log"), "wb") as log:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )


def _wait_until_ready(server: Gunicorn, path: str) -> None:
    """Wait for any HTTP answer; the bound port takes connections long before a worker takes requests."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {server.process.returncode}:\n{server.log()}")
        if _answers(server.url, path):
            return
        time.sleep(0.05)
    raise RuntimeError(f"gunicorn was not ready after {READY_SECONDS} seconds:\n{server.log()}")


def _answers(url: str, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=2)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to end, and make it."""
    for sign, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait(5)
