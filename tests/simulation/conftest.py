"""A server without a network: a simulation calls it in process."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idprotect import migrations
from idprotect.runtime import runtime
from tests.support.world import build_app


@pytest.fixture
def app(tmp_path: Path, keys: Path) -> Iterator[Flask]:
    """Make a server, and work in its context."""
    tmp_path.chmod(0o700)
    app = build_app("https://id.example.org", tmp_path, keys)
    with app.app_context():
        migrations.upgrade()
        yield app
        runtime().db.engine.dispose()


@pytest.fixture
def simulate(app: Flask) -> Callable[..., Any]:
    """Return ``flask idprotect simulate``, whose answer is JSON."""

    def run(*arguments: str, exit_code: int = 0) -> Any:
        done = app.test_cli_runner().invoke(args=["idprotect", "simulate", *arguments, "--json"])
        assert done.exit_code == exit_code, done.output
        return json.loads(done.output)

    return run
