"""Fixtures: one server for the tests of a module, whose people and applications are new in each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oidc.server import Application, Person, Server, running
from tests.support.world import USER_RISK_POLICY

POLICIES = """
[[policy]]
name = "careful people"
state = "on"
who = { groups = ["careful"] }
then = { require = ["mfa"] }

[[policy]]
name = "new people"
state = "on"
who = { groups = ["new"] }
then = { require = ["registration"], skip_days = 14 }

[[policy]]
name = "unwanted people"
state = "on"
who = { groups = ["unwanted"] }
then = { require = ["block"] }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    """Run two processes of a server, with the one clock in the tests' hands."""
    # All tests come from one address, and many present wrong secrets.
    patient = {"IDPROTECT_CLIENT_SECRET_FAILURES_PER_ADDRESS": 10**6}
    with running(tmp_path_factory.mktemp("oidc"), keys, **patient) as server:
        server.apply(USER_RISK_POLICY, POLICIES)
        yield server


@pytest.fixture
def person(server: Server) -> Person:
    """Somebody with a password and no second factor, not signed in."""
    return server.person()


@pytest.fixture
def signed_in(server: Server) -> Person:
    """Somebody who is signed in."""
    somebody = server.person().sign_in()
    assert somebody.step == "/account"
    return somebody


@pytest.fixture
def application(server: Server) -> Application:
    """A first-party application that authenticates by ``client_secret_basic``."""
    return server.application()
