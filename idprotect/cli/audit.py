"""Commands about the audit log: list, export, seal, verify."""

import json
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import audit_chain
from idprotect.cli.base import Result, command, idprotect
from idprotect.errors import IDProtectError
from idprotect.models import AuditEvent, User, session

audit_group = AppGroup("audit", help="What happened, and whether the record of it is whole.")
idprotect.add_command(audit_group)


@command(audit_group, "list")
@click.option("--event", help="For example risk:dismissed.")
@click.option("--actor", help="Who did it.")
@click.option("--user", help="Whom it is about: a user name.")
@click.option("--limit", default=50, show_default=True)
def list_events(event: str | None, actor: str | None, user: str | None, limit: int) -> Result:
    """List events, newest first."""
    audit_chain.seal()
    newest = _chosen(event, actor, user).order_by(AuditEvent.id.desc())
    return [_event(row) for row in session().scalars(newest.limit(limit))]


@command(audit_group, "export")
@click.option("--event")
@click.option("--actor")
@click.option("--user")
def export_events(event: str | None, actor: str | None, user: str | None) -> Result:
    """Write all events with their seals as JSON, one a line, oldest first."""
    audit_chain.seal()
    oldest = _chosen(event, actor, user).order_by(AuditEvent.id)
    for row in session().scalars(oldest.execution_options(yield_per=1000)):
        click.echo(json.dumps(_event(row), ensure_ascii=False))
    return None


@command(audit_group, "seal")
def seal_events() -> Result:
    """Seal what happened since the last time. Run it on a schedule: until then a change does not show."""
    return {"sealed": audit_chain.seal()}


@command(audit_group, "verify")
@click.option(
    "--seal", "known", help="A position:seal that was kept elsewhere, which has to be in the chain."
)
def verify_events(known: str | None) -> Result:
    """Check that no event was changed, taken away or put in between."""
    found = audit_chain.verify(known)
    if not found.is_whole:
        raise BrokenChain(found.problems)
    return {"events": found.events, "whole": True, "newest_seal": f"{found.position}:{found.seal}"}


class BrokenChain(IDProtectError):
    """The audit log is not what was written."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the audit log is not whole: " + "; ".join(problems))
        self.problems = tuple(problems)


def _chosen(event: str | None, actor: str | None, user: str | None) -> Any:
    statement = select(AuditEvent)
    if event:
        statement = statement.where(AuditEvent.name == event)
    if actor:
        statement = statement.where(AuditEvent.actor == actor)
    if user:
        statement = statement.where(
            AuditEvent.user_id.in_(select(User.id).where(User.username == user.lower()))
        )
    return statement


def _event(row: AuditEvent) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "event": row.name,
        "actor": row.actor,
        "user_id": row.user_id,
        "sign_in_id": row.sign_in_id,
        "client_id": row.client_id,
        "details": row.details,
        "position": row.position,
        "seal": row.seal,
    }
