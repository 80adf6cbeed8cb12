"""What the stand-alone server asks of its database beyond the defaults. A host application has its own way."""

import select
from typing import Any

from sqlalchemy import Engine, Select, event
from sqlalchemy.exc import InvalidatePoolError

#: What these need is a cursor in the server, which there is in transactions only.
_STREAMED = {"stream_results", "yield_per"}


def tune_postgresql(engine: Engine) -> None:
    """Save round trips: two of the three of a request that reads once.

    A transaction begins with the first statement that is more than a read. At PostgreSQL's level of isolation, READ
    COMMITTED, each statement before sees what is committed by then, inside of a transaction or not.

    Whether the server has hung up is found out without asking it: an idle connection has nothing to say. When there is
    something to read, it is the end, or a notice that came between and costs a new connection.
    """

    @event.listens_for(engine, "checkout")
    def make_ready(connection: Any, _record: Any, _proxy: Any) -> None:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        if waiting.poll(0):
            raise InvalidatePoolError("the server closed the connection")
        if not connection.autocommit:
            connection.autocommit = True

    @event.listens_for(engine, "before_cursor_execute")
    def begin_late(_c: Any, cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
        if cursor.connection.autocommit and not _only_reads(statement, context):
            cursor.connection.autocommit = False  # psycopg begins a transaction now


def _only_reads(statement: str, context: Any) -> bool:
    """Whether a statement is a SELECT of ours that locks nothing; of what was written as text nobody can tell."""
    if context.compiled is None or not isinstance(context.compiled.statement, Select):
        return False
    return " FOR " not in statement and not _STREAMED & context.execution_options.keys()


def tune_sqlite(engine: Engine) -> None:
    """Make SQLite behave as a server's database: concurrent readers, foreign keys, patience with other writers."""

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
