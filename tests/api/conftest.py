"""The server of the protocol's tests, and one on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idprotect import migrations
from idprotect.runtime import runtime
from tests.oidc.conftest import server
from tests.oidc.server import ISSUER, Server
from tests.support.world import Clock, build_app

__all__ = ["server"]


@pytest.fixture
def server_on_postgresql(
    tmp_path: Path, keys: Path, moved_clock: Clock, postgres_url: str
) -> Iterator[Server]:
    """Run a server whose requests really meet each other in the database."""
    tmp_path.chmod(0o700)
    app = build_app(ISSUER, tmp_path, keys, IDPROTECT_DATABASE_URL=postgres_url)
    with app.app_context():
        migrations.upgrade()
    yield Server(app, ISSUER, moved_clock, tmp_path, front=app)
    with app.app_context():
        runtime().db.engine.dispose()
