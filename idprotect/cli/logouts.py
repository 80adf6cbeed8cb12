"""Commands about telling applications that sign-ins ended."""

import time
from typing import Any

import click
from sqlalchemy import select

from idprotect import sessions
from idprotect.cli.base import Result, command, idprotect
from idprotect.models import LogoutNotice, session
from idprotect.oidc import logout_delivery

POLL = 5.0


@command(idprotect, "deliver-logouts")
@click.option("--watch", is_flag=True, help="Go on for ever, as a service.")
def deliver_logouts(watch: bool) -> Result:
    """Tell applications of sign-ins that ended, also of those that ran out: by cron, or as a service."""
    while True:
        expired = sessions.expire()
        session().commit()
        outcomes = logout_delivery.deliver_due()
        if not watch:
            return {"expired": expired, **outcomes}
        if not expired:
            time.sleep(POLL)


@command(idprotect, "logouts")
@click.option("--client", "client_id", help="Of one application.")
@click.option("--undelivered", is_flag=True, help="Only those that were not taken.")
@click.option("--limit", default=50, show_default=True)
def list_logouts(client_id: str | None, undelivered: bool, limit: int) -> Result:
    """List what applications were told of ended sign-ins, newest first, and what they answered."""
    statement = select(LogoutNotice).order_by(LogoutNotice.created_at.desc()).limit(limit)
    if client_id is not None:
        statement = statement.where(LogoutNotice.client_id == client_id)
    if undelivered:
        statement = statement.where(LogoutNotice.delivered_at.is_(None))
    return [_notice(row) for row in session().scalars(statement)]


def _notice(row: LogoutNotice) -> dict[str, Any]:
    return {
        "client_id": row.client_id,
        "sign_in": row.sign_in_id,
        "created_at": row.created_at.isoformat(),
        "state": _state(row),
        "tries": row.tries,
        "answer": row.answer,
    }


def _state(row: LogoutNotice) -> str:
    if row.delivered_at is not None:
        return "delivered"
    return "given up" if row.due_at is None else "waiting"
