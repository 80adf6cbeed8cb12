"""The schema in versions (Alembic), over the connection of the running application."""

import fcntl
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from idprotect.models import Base
from idprotect.runtime import runtime, settings

VERSION_TABLE = "idprotect_alembic_version"
_LOCK_NUMBER = 0x1D9807EC7


def upgrade() -> None:
    """Bring the database to this version's schema. Several processes may do so at once; one does the work."""
    lock = settings().instance_dir / "migration.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file, ExitStack() as stack:
        # Before the first connection: SQLite refuses a second switch to WAL at once, however long it may wait.
        fcntl.flock(file, fcntl.LOCK_EX)
        connection = stack.enter_context(runtime().db.engine.begin())
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
        _run("upgrade", connection, "head")


def revision(message: str) -> None:
    """Write a new version from the difference between models and database; for developers."""
    with runtime().db.engine.begin() as connection:
        _run("revision", connection, message, autogenerate=True)


def _run(command_name: str, connection: Connection, *arguments: Any, **options: Any) -> None:
    """Run an Alembic command; it is imported here, because a server that is up has no use for its 11 MB."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Base.metadata
    getattr(command, command_name)(config, *arguments, **options)
