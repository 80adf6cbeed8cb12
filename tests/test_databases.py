"""What the stand-alone server asks of PostgreSQL: no transaction for what only reads, one for everything else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from psycopg.pq import TransactionStatus
from sqlalchemy import Executable, select, text, update

from idprotect import clock, create_app, migrations
from idprotect.models import Throttle, session
from idprotect.runtime import runtime
from tests.support.world import CHEAP

pytestmark = pytest.mark.postgres


@pytest.fixture
def app(tmp_path: Path, postgres_url: str) -> Iterator[Flask]:
    """Make a server on PostgreSQL, and be within it."""
    settings = {"IDPROTECT_ISSUER": "http://localhost", "IDPROTECT_INSTANCE_DIR": tmp_path}
    made = create_app({**CHEAP, **settings, "IDPROTECT_DATABASE_URL": postgres_url})
    with made.app_context():
        migrations.upgrade()
        yield made
        session().close()
        runtime().db.engine.dispose()


def status_after(statement: Executable, **options: Any) -> TransactionStatus:
    """Run a statement first of all, and tell whether the server is in a transaction now."""
    session().rollback()
    session().execute(statement, execution_options=options).close()
    driver: Any = session().connection().connection.driver_connection
    found = driver.info.transaction_status
    session().rollback()
    assert driver.info.transaction_status is TransactionStatus.IDLE
    return TransactionStatus(found)


@pytest.mark.usefixtures("app")
def test_reading_opens_no_transaction() -> None:
    assert status_after(select(Throttle)) is TransactionStatus.IDLE


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("statement", "options"),
    [
        (update(Throttle).values(count=0), {}),
        (select(Throttle).with_for_update(), {}),
        (select(Throttle).with_for_update(key_share=True), {}),
        (select(Throttle), {"yield_per": 10}),
        (text("SELECT pg_advisory_xact_lock(1)"), {}),
    ],
    ids=["write", "lock", "weak lock", "stream", "text"],
)
def test_whatever_is_more_than_reading_opens_one(statement: Executable, options: dict[str, Any]) -> None:
    assert status_after(statement, **options) is TransactionStatus.INTRANS


@pytest.mark.usefixtures("app")
def test_what_was_written_after_a_read_is_taken_back() -> None:
    assert session().scalar(select(Throttle)) is None
    session().add(Throttle(key="x", count=1, started_at=clock.now(), updated_at=clock.now()))
    session().flush()
    session().rollback()

    assert session().scalar(select(Throttle)) is None
