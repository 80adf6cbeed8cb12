"""Commands about webhooks."""

from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import webhooks, worker
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.cli.deliveries import shown
from idprotect.models import Delivery, Webhook, session

webhook_group = AppGroup("webhook", help="Addresses that hear of what happens.")
idprotect.add_command(webhook_group)


@command(webhook_group, "add")
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    default=webhooks.USUAL_EVENTS,
    show_default=True,
    help="An event of the audit log, all of a subject like risk:*, or *.",
)
def add_webhook(url: str, events: tuple[str, ...]) -> Result:
    """Let an address hear of what happens from now on; its secret is shown once."""
    hook, secret = webhooks.add(url, events, operator())
    session().flush()
    return {**_webhook(hook), "secret": secret}


@command(webhook_group, "list")
def list_webhooks() -> Result:
    """List webhooks, and how they stand."""
    return [_webhook(hook) for hook in session().scalars(select(Webhook).order_by(Webhook.created_at))]


@command(webhook_group, "remove")
@click.argument("webhook_id")
def remove_webhook(webhook_id: str) -> Result:
    """Remove a webhook."""
    webhooks.remove(webhooks.get(webhook_id), operator())
    return {"id": webhook_id, "removed": True}


@command(webhook_group, "enable")
@click.argument("webhook_id")
def enable_webhook(webhook_id: str) -> Result:
    """Let a webhook hear again, also of what it missed while it was disabled."""
    hook = webhooks.get(webhook_id)
    webhooks.enable(hook, operator())
    return _webhook(hook)


@command(webhook_group, "rotate-secret")
@click.argument("webhook_id")
def rotate_secret(webhook_id: str) -> Result:
    """Make a new secret, shown once; for a day the old one signs beside it."""
    hook = webhooks.get(webhook_id)
    return {**_webhook(hook), "secret": webhooks.rotate_secret(hook, operator())}


@command(webhook_group, "test")
@click.argument("webhook_id")
def test_webhook(webhook_id: str) -> Result:
    """Send a trial, and say what came of it."""
    delivery_id = webhooks.put_test(webhooks.get(webhook_id))
    session().commit()
    worker.deliver_due()
    return shown(session().get_one(Delivery, delivery_id))


@command(webhook_group, "deliveries")
@click.argument("webhook_id")
@click.option("--limit", default=50, show_default=True)
def list_deliveries(webhook_id: str, limit: int) -> Result:
    """List what a webhook was told, newest first, and what it answered."""
    hook = webhooks.get(webhook_id)
    newest = select(Delivery).where(Delivery.recipient == hook.id).order_by(Delivery.created_at.desc())
    return [shown(row) for row in session().scalars(newest.limit(limit))]


def _webhook(hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "state": "disabled" if hook.disabled_at is not None else "enabled",
        "disabled_at": hook.disabled_at.isoformat() if hook.disabled_at else None,
        "disabled_why": hook.disabled_why,
        "taken_at": hook.taken_at.isoformat() if hook.taken_at else None,
    }
