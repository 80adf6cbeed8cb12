"""A wheel built from the repository serves pages from an empty environment, too."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.support import PROJECT
from tests.support.postgres import shared_folder

#: What is no module and would be missed if package data were not listed.
FILES = (
    "idprotect/py.typed",
    "idprotect/static/idprotect.css",
    "idprotect/static/idprotect.js",
    "idprotect/templates/idprotect/base.html",
    "idprotect/templates/idprotect/sign_in.html",
    "idprotect/intelligence/common_passwords.txt",
    "idprotect/intelligence/sample/city.mmdb",
    "idprotect/intelligence/sample/asn.mmdb",
    "idprotect/intelligence/sample/tor_exits.txt",
    "idprotect/migrations/script.py.mako",
    "idprotect/demo/relying_party/templates/home.html",
    "idprotect/demo/relying_party/static/northwind.css",
)
READY_SECONDS = 60


@dataclass(frozen=True)
class Installed:
    """The wheel, and an environment into which it was installed with nothing but its dependencies."""

    wheel: Path
    environment: Path

    def command(self, name: str) -> str:
        """Return a command of the environment."""
        return str(self.environment / "bin" / name)


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build and install once for all workers; the checkout stays as it is."""
    folder = shared_folder(request.config, tmp_path_factory) / "wheel"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder)
            (folder / "done").touch()
    return Installed(next((folder / "dist").glob("*.whl")), folder / "environment")


def _build(folder: Path) -> None:
    source = folder / "source"
    ignored = (".*", "__pycache__", "*.egg-info", "build", "dist", "instance", "test-artifacts", "tests")
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns(*ignored))
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(source))
    wheel = next((folder / "dist").glob("*.whl"))
    venv.create(folder / "environment", with_pip=True)
    _run(
        str(folder / "environment" / "bin" / "pip"),
        "install",
        "-q",
        "--disable-pip-version-check",
        str(wheel),
    )


def _run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """Run a command that knows nothing of the checkout or of our environment."""
    done = subprocess.run(
        command, cwd=cwd or "/", env=_environment(**environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _environment(**more: str) -> dict[str, str]:
    ours = ("PYTHON", "VIRTUAL", "IDPROTECT")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def test_the_wheel_holds_everything_that_a_server_reads(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    assert not set(FILES) - names
    ours = {str(path.relative_to(PROJECT)) for path in (PROJECT / "idprotect").rglob("*.py")}
    assert not ours - names, "every module"
    templates = {path.relative_to(PROJECT) for path in (PROJECT / "templates").rglob("*.html")}
    assert not {f"idprotect/{path}" for path in templates} - names, "every template"
    foreign = {name.split("/")[0] for name in names} - {"idprotect"}
    assert len(foreign) == 1 and foreign.pop().endswith(".dist-info"), "and nothing else"


def test_a_server_from_the_wheel_serves_pages(installed: Installed, tmp_path: Path) -> None:
    """From an empty folder: the database is made, and the sign-in page is drawn and has its style."""
    with _server(installed, tmp_path) as url:
        get = requests.Session()
        get.trust_env = False
        assert get.get(f"{url}/health").json() == {"status": "ok"}
        assert get.get(f"{url}/.well-known/openid-configuration").json()["issuer"] == url
        page = get.get(f"{url}/account")
        assert page.ok and "/sign-in/" in page.url and 'name="password"' in page.text
        style = get.get(f"{url}/idprotect-static/idprotect.css")
        assert style.ok and style.headers["Content-Type"].startswith("text/css")


@contextmanager
def _server(installed: Installed, folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://localhost:{port}"
    instance = str(folder / "instance")
    settings = {"IDPROTECT_ISSUER": url, "IDPROTECT_DEVELOPMENT": "1", "IDPROTECT_INSTANCE_DIR": instance}
    flask = (installed.command("flask"), "--app", "idprotect:create_app")
    empty = folder / "empty"
    empty.mkdir()
    _run(*flask, "idprotect", "init", cwd=empty, **settings)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [*flask, "run", "--port", str(port)],
            cwd=empty,
            env=_environment(**settings),
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
