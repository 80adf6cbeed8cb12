"""What the stand-alone server asks of its database.

PostgreSQL: no transaction for what only reads, one for everything else. SQLite: that threads write in turn.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, Executable, create_engine, event, select, text, update
from sqlalchemy.exc import OperationalError

from idprotect import clock, create_app, databases, migrations
from idprotect.models import Throttle, session
from idprotect.runtime import runtime
from tests.support.world import CHEAP


@pytest.fixture(name="app")
def app_on_postgresql(tmp_path: Path, postgres_url: str) -> Iterator[Flask]:
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


@pytest.mark.postgres
@pytest.mark.usefixtures("app")
def test_reading_opens_no_transaction() -> None:
    assert status_after(select(Throttle)) is TransactionStatus.IDLE


@pytest.mark.postgres
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


@pytest.mark.postgres
@pytest.mark.usefixtures("app")
def test_what_was_written_after_a_read_is_taken_back() -> None:
    assert session().scalar(select(Throttle)) is None
    session().add(Throttle(key="x", count=1, started_at=clock.now(), updated_at=clock.now()))
    session().flush()
    session().rollback()

    assert session().scalar(select(Throttle)) is None


# SQLite: here it does not wait for others that write, so that whoever does not wait for its turn is refused.


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """Make a database with one table."""
    engine = create_engine(f"sqlite:///{tmp_path / 'file.sqlite'}")
    databases.tune_sqlite(engine)
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (name TEXT)"))
    yield engine
    engine.dispose()


def write(connection: Connection, name: str) -> None:
    """Write a row."""
    connection.execute(text("INSERT INTO thing VALUES (:name)"), {"name": name})


def names(engine: Engine) -> set[str]:
    """Return what is stored."""
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT name FROM thing")))


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_thread_that_writes_waits_until_another_has_ended(sqlite: Engine, end: str) -> None:
    is_writing = Event()

    def second() -> None:
        is_writing.wait(30)
        with sqlite.begin() as connection:
            write(connection, "second")

    with ThreadPoolExecutor() as others, sqlite.connect() as first:
        write(first, "first")
        waiting = [others.submit(second) for _ in range(3)]
        is_writing.set()
        with sqlite.connect() as reader:
            assert list(reader.scalars(text("SELECT name FROM thing"))) == [], "who reads waits for nobody"
        getattr(first, end)()
        first.close()
        for each in waiting:
            each.result(30)

    assert names(sqlite) == ({"first", "second"} if end == "commit" else {"second"})


def test_who_waited_too_long_is_answered_by_the_database(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections of one thread, for example: the second would wait for ever."""
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.01)
    with sqlite.connect() as first, sqlite.connect() as second:
        write(first, "first")
        with pytest.raises(OperationalError, match="locked"):
            write(second, "second")
        second.rollback()
        first.commit()
        first.close()
        write(second, "second")
        second.commit()

    assert names(sqlite) == {"first", "second"}
