"""Commands that look at single detections, also of those whose user is gone."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect.cli import shown
from idprotect.cli.base import Result, command, idprotect
from idprotect.models import RiskDetection, User, session
from idprotect.protection import IS_OPEN

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
