"""Commands about what is told to others: send it, and see what came of it."""

import time
from typing import Any

import click
from sqlalchemy import select

from idprotect import digests, worker
from idprotect.cli.base import Result, command, idprotect
from idprotect.models import Delivery, session

POLL = 2.0


@command(idprotect, "deliver")
@click.option("--watch", is_flag=True, help="Go on for ever, as a service.")
def deliver(watch: bool) -> Result:
    """Send logout tokens, webhooks and mails that wait, and find what has to be told: by cron, or as a service."""
    while True:
        done = worker.work_thoroughly()
        if not watch:
            return done
        if not done["expired"]:
            time.sleep(POLL)


@command(idprotect, "digest")
@click.option("--send", is_flag=True, help="Send it now, to whoever gets it on Mondays.")
@click.option("--subscribe", metavar="ADDRESS", help="Send it to an address again that had ended it.")
def digest(send: bool, subscribe: str | None) -> Result:
    """Show the mail about the last seven days."""
    if subscribe is not None:
        digests.subscribe(subscribe)
        return {"address": subscribe, "subscribed": True}
    if send:
        return {"queued": digests.queue()}
    return {"text": digests.text()}


@command(idprotect, "deliveries")
@click.option("--to", "recipient", help="To one application, webhook or mail address.")
@click.option("--undelivered", is_flag=True, help="Only those that were not taken.")
@click.option("--limit", default=50, show_default=True)
def list_deliveries(recipient: str | None, undelivered: bool, limit: int) -> Result:
    """List what others were told, newest first, and what they answered."""
    statement = select(Delivery).order_by(Delivery.created_at.desc()).limit(limit)
    if recipient is not None:
        statement = statement.where(Delivery.recipient == recipient)
    if undelivered:
        statement = statement.where(Delivery.delivered_at.is_(None))
    return [shown(row) for row in session().scalars(statement)]


def shown(row: Delivery) -> dict[str, Any]:
    """Return a delivery with how it stands."""
    return {
        "id": row.id,
        "kind": row.kind,
        "to": row.recipient,
        "about": row.content.get("type") or row.content.get("sign_in_id") or row.content.get("subject"),
        "created_at": row.created_at.isoformat(),
        "state": row.state,
        "tries": row.tries,
        "answer": row.answer,
    }
