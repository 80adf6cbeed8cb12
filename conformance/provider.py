"""The server that is tested: idprotect from this checkout, set up by its own commands, under gunicorn with TLS."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import requests

from bench.processes import Child, free_port
from bench.servers import inherited_environment
from conformance.certificate import Certificate

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
#: With TLS 1.2, none but those that RFC 9325 section 4.2 recommends, as FAPI 2.0 wants it.
CIPHERS = "ECDHE+AESGCM"


class ProviderError(Exception):
    """The server could not be set up."""


class Provider(AbstractContextManager["Provider"]):
    """One server with a new database, for one plan.

    :param redirects: where the suite's applications get their answers, ``https://SUITE/test/a/ALIAS``.
    """

    def __init__(self, folder: Path, tls: Certificate, settings: Mapping[str, str], redirects: str) -> None:
        self.folder, self.tls, self.redirects = folder, tls, redirects
        self.port = free_port()
        self.issuer = f"https://localhost:{self.port}"
        self.password = secrets.token_urlsafe(18)
        self.environment = {
            **inherited_environment(),
            "IDPROTECT_ISSUER": self.issuer,
            "IDPROTECT_INSTANCE_DIR": str(folder),
            "SSL_CERT_FILE": str(tls.certificate),
            **{f"IDPROTECT_{name}": value for name, value in settings.items()},
        }
        self.command("init")
        profile = self.command(
            "conformance-profile", "--password-stdin", "--json", redirects, stdin=self.password
        )
        self.profile: dict[str, Any] = json.loads(profile)

    def __enter__(self) -> Provider:
        arguments = [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{self.port}"]
        arguments += ["--config", "python:idprotect.gunicorn_settings", "--no-control-socket"]
        arguments += ["--certfile", str(self.tls.certificate), "--keyfile", str(self.tls.key)]
        arguments += ["--ciphers", CIPHERS]
        log = self.folder / "gunicorn.log"
        self.child = Child(arguments, log, environment=self.environment, directory=ROOT)
        try:
            self.child.wait_until(self._answers, START_SECONDS)
        except BaseException:
            self.child.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.child.__exit__(*exception)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.issuer}/health", verify=str(self.tls.certificate), timeout=5).ok
        except requests.ConnectionError:
            return False

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run ``flask idprotect …`` on this server and return what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", "idprotect", *arguments],
            input=stdin + "\n",
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
        )
        if done.returncode:
            raise ProviderError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def rotate_keys(self) -> None:
        self.command("rotate-keys")
