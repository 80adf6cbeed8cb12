"""Commands about single detections, also those whose user is gone."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import protection
from idprotect.cli import shown
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import NotFound
from idprotect.models import RiskDetection, User, session
from idprotect.protection import IS_OPEN
from idprotect.risk import RiskEvent

detection_group = AppGroup("detection", help="Single detections.")
idprotect.add_command(detection_group)


@command(detection_group, "list")
@click.option("--open", "only_open", is_flag=True, help="Only what counts now.")
@click.option("--orphaned", is_flag=True, help="Only those whose user was deleted.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
def list_detections(only_open: bool, orphaned: bool, limit: int) -> Result:
    """List detections, newest first."""
    statement = select(RiskDetection, User.username).outerjoin(User, User.id == RiskDetection.user_id)
    if only_open:
        statement = statement.where(IS_OPEN)
    if orphaned:
        statement = statement.where(User.id.is_(None))
    newest = statement.order_by(RiskDetection.detected_at.desc(), RiskDetection.id).limit(limit)
    return [
        {**shown.detection(row), "user": row.user_id, "username": username}
        for row, username in session().execute(newest)
    ]


@command(detection_group, "resolve")
@click.argument("detection_id")
@click.option("--reason", required=True)
def resolve(detection_id: str, reason: str) -> Result:
    """Close a detection: it was true, and has been dealt with."""
    return _close(detection_id, RiskEvent.ADMIN_RESOLVED, reason)


@command(detection_group, "false-positive")
@click.argument("detection_id")
@click.option("--reason", required=True)
def false_positive(detection_id: str, reason: str) -> Result:
    """Close a detection: it was not true."""
    return _close(detection_id, RiskEvent.ADMIN_FALSE_POSITIVE, reason)


@command(detection_group, "ignore")
@click.argument("detection_id")
@click.option("--reason", required=True)
def ignore(detection_id: str, reason: str) -> Result:
    """Close a detection: true or not, it does not matter."""
    return _close(detection_id, RiskEvent.ADMIN_IGNORED, reason)


@command(detection_group, "reactivate")
@click.argument("detection_id")
@click.option("--reason", required=True)
def reactivate(detection_id: str, reason: str) -> Result:
    """Let a detection count again that an administrator closed."""
    row = _find(detection_id)
    protection.reactivate(row, operator(), reason)
    return shown.detection(row)


def _close(detection_id: str, event: RiskEvent, reason: str) -> Result:
    row = _find(detection_id)
    protection.close_detection(row, event, operator(), reason)
    return shown.detection(row)


def _find(detection_id: str) -> RiskDetection:
    row = session().get(RiskDetection, detection_id)
    if row is None:
        raise NotFound(f"no detection has the id {detection_id!r}")
    return row
