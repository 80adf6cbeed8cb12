"""Administrators are watched, too: a burst of reading or of acting in the console is held against the account."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from idprotect import clock
from idprotect.audit import Event
from idprotect.models import AuditEvent, RiskDetection, User, session
from idprotect.protection.raising import raise_detection
from idprotect.protection.standing import IS_OPEN, hold
from idprotect.risk.detections.anomalous_admin_activity import NAME, anomalous_admin_activity
from idprotect.runtime import settings

WITHIN = timedelta(hours=1)
READS = (Event.CONSOLE_EXPORTED, Event.CONSOLE_LOOKED_UP)
# What was refused counts: trying is the burst, whatever the role.
ACTS = (Event.CONSOLE_ACTED, Event.CONSOLE_ACT_REFUSED)


def watch_administrator(user: User) -> None:
    """Raise a detection about somebody who has done too much in the last hour, once for each burst.

    Call it in a transaction that holds nobody else's row: two administrators who act on each other would wait for
    each other.
    """
    limits = settings()
    for what, events, limit in (
        ("exports and look-ups", READS, limits.console_reads_per_hour),
        ("acts", ACTS, limits.console_acts_per_hour),
    ):
        if _is_burst(user.username, events, limit):
            _raise_once(user, what, limit)


def _is_burst(username: str, events: Sequence[Event], limit: int) -> bool:
    """Whether the last event but *limit* - 1 is less than an hour old: no more than these are read."""
    done = select(AuditEvent.at).where(AuditEvent.actor == username, AuditEvent.name.in_(map(str, events)))
    at = session().scalar(done.order_by(AuditEvent.id.desc()).offset(limit - 1).limit(1))
    return at is not None and at > _an_hour_ago()


def _raise_once(user: User, what: str, count: int) -> None:
    hold(user.id)
    lately = or_(IS_OPEN, RiskDetection.detected_at > _an_hour_ago())
    raised = select(RiskDetection.id).where(
        RiskDetection.user_id == user.id, RiskDetection.name == NAME, lately
    )
    if session().scalar(raised.limit(1)) is None:
        raise_detection(user, anomalous_admin_activity(what, count))


def _an_hour_ago() -> datetime:
    return clock.now() - WITHIN
