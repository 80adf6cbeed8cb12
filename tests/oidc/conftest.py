"""Fixtures: one server for the tests of a module, whose people and applications are new in each test."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from idprotect import clock, migrations
from idprotect.runtime import runtime
from tests.oidc.server import ISSUER, Application, Person, Server
from tests.support.world import USER_RISK_POLICY, Clock, build_app

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
    folder, moved, real_time = tmp_path_factory.mktemp("oidc"), Clock(), time.time
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", moved.now)
        patch.setattr(time, "time", lambda: real_time() + moved.offset.total_seconds())
        # All tests come from one address, and many present wrong secrets.
        patient = {"IDPROTECT_CLIENT_SECRET_FAILURES_PER_ADDRESS": 10**6}
        app = build_app(ISSUER, folder, keys, **patient)
        with app.app_context():
            migrations.upgrade()
        running = Server(app, ISSUER, moved, folder, front=build_app(ISSUER, folder, None, **patient))
        running.apply(USER_RISK_POLICY, POLICIES)
        yield running
        for one in (running.app, running.front):
            with one.app_context():
                runtime().db.engine.dispose()


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
