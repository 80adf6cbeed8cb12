"""The declarative base, the column types, and the session that every query of idprotect runs in.

The tables belong to no particular ``SQLAlchemy`` object: the stand-alone server brings its own, a host
application lends the one it has.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from flask import current_app
from sqlalchemy import (
    JSON,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Executable,
    Index,
    Insert,
    Table,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

#: Where a session keeps its transaction and its connection.
_CONNECTION = "idprotect_connection"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite keeps none of the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What a row has."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive time would be ambiguous")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables of idprotect; their names begin with ``idprotect_``."""

    type_annotation_map = {
        datetime: UtcDateTime,
        list[str]: JSON,
        list[Any]: JSON,
        dict[str, Any]: JSON,
    }


def partial_index(name: str, *columns: str, where: str) -> Index:
    """Return an index over some rows only: nearly free for the others. A query has to say *where* literally."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def new_id() -> str:
    """Return an opaque 128-bit id."""
    return secrets.token_hex(16)


def session() -> Session:
    """Return the database session of the current request."""
    current: Session = current_app.extensions["idprotect"].db.session()
    return current


def has_session() -> bool:
    """Whether this request used the database at all."""
    return bool(current_app.extensions["idprotect"].db.session.registry.has())


def dialect() -> str:
    """Return the name of the connected database's dialect."""
    return session().get_bind().dialect.name


def insert(model: type[Base], dialect_name: str) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT of a dialect, which knows ``on_conflict_do_…``."""
    table = table_of(model)
    return postgresql.insert(table) if dialect_name == "postgresql" else sqlite.insert(table)


def table_of(model: type[Base]) -> Table:
    """Return the table under a model, for statements that pass the object machinery by."""
    return cast(Table, model.__table__)


def run(statement: Executable, **parameters: Any) -> CursorResult[Any]:
    """Run a statement on tables in the transaction of the session, past its object machinery.

    The hot path reads and writes most rows once, and needs no objects of them. Its statements stand in modules:
    building one costs more than running it. Nothing is flushed before.
    """
    return _connection().execute(statement, parameters)


def add(model: type[Base], values: Mapping[str, Any]) -> None:
    """Insert one row that is not needed as an object."""
    run(_insert(model), **values)


def rows_changed(statement: Any, **parameters: Any) -> int:
    """Run a conditional UPDATE or DELETE and return how many rows it hit; the count decides."""
    options = {"synchronize_session": False}
    result = session().execute(statement, parameters, execution_options=options)
    return cast(CursorResult[Any], result).rowcount


def _connection() -> Connection:
    """Return the connection of the session's transaction; asked for it at each run, it would cost a quarter of that."""
    current = session()
    transaction, (of, connection) = current.get_transaction(), current.info.get(_CONNECTION, (None, None))
    if transaction is None or transaction is not of or not transaction.is_active:
        connection = current.connection()
        current.info[_CONNECTION] = current.get_transaction(), connection
    return cast(Connection, connection)


@lru_cache
def _insert(model: type[Base]) -> Insert:
    return table_of(model).insert()
