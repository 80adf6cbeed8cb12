"""What Alembic runs: the migrations, on the connection it was given, for the tables of idprotect alone."""

from typing import Any, Literal

from alembic import context

from idprotect.migrations import VERSION_TABLE
from idprotect.models.base import UtcDateTime


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "table" or (name is not None and name.startswith("idprotect_") and name != VERSION_TABLE)


def _render(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    version_table=VERSION_TABLE,
    include_name=_is_ours,
    render_item=_render,
    render_as_batch=True,
)
context.run_migrations()
