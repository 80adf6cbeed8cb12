"""A server whose rounds are made by command, and somebody outside who listens."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from idprotect.models import Delivery, Progress, Unsubscribed, Webhook, session
from tests.api.conftest import server_on_postgresql
from tests.oidc.applications import Listener, listening
from tests.oidc.server import Server, running

__all__ = ["server_on_postgresql"]


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    """Run a server for the tests of a module."""
    with running(tmp_path_factory.mktemp("worker"), keys, IDPROTECT_BRAND_NAME="Northwind") as server:
        yield server


@pytest.fixture
def server(one_server: Server) -> Server:
    """Return a server of which nobody outside wants to hear anything yet."""
    with one_server.arranging():
        for model in (Delivery, Progress, Unsubscribed, Webhook):
            session().query(model).delete()
    for message in (one_server.folder / "outbox").glob("*.json"):
        message.unlink()
    return one_server


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Listen."""
    with listening() as listener:
        yield listener


Told = Callable[..., Any]


@pytest.fixture
def tell(server: Server) -> Told:
    """Return a function that runs a command and returns what it says."""

    def run(*arguments: str) -> Any:
        result = server.cli(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    return run
