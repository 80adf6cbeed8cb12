"""Taking back what a source raised: its open detections are closed as false positives, one by one, each written down.

Sessions that it ended stay ended. Each detection can be reactivated, as after any administrator's act.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from idprotect import audit, protection, triage
from idprotect.audit import Event
from idprotect.models import ReceivedSignal, RiskDetection, SignalSource, session
from idprotect.protection import IS_OPEN
from idprotect.risk import RiskEvent
from idprotect.triage import ACTS, Actor


@dataclass(frozen=True)
class Undone:
    """What came of it: how many detections were closed, and how many are for somebody else to close."""

    closed: int
    left: int


def open_since(source: SignalSource, since: datetime) -> list[str]:
    """Return the ids of the open detections that a source raised since then."""
    raised = (
        select(RiskDetection.id)
        .join(ReceivedSignal, ReceivedSignal.detection_id == RiskDetection.id)
        .where(ReceivedSignal.source_id == source.id, RiskDetection.detected_at >= since, IS_OPEN)
    )
    return list(session().scalars(raised.order_by(RiskDetection.detected_at)))


def undo(source: SignalSource, since: datetime, actor: Actor, reason: str) -> Undone:
    """Close what a source raised since then as not true. Commits, one detection at a time.

    Nobody decides about themselves: what was raised about whoever acts is left.
    """
    source_id, name = source.id, source.name
    closed = left = 0
    for detection_id in open_since(source, since):
        target = triage.find(ACTS["false_positive"], detection_id)
        if target is None or target.detection is None or not target.detection.is_open:
            continue
        if triage.why_forbidden(target, actor) is not None:
            left += 1
            continue
        event = RiskEvent.ADMIN_FALSE_POSITIVE
        protection.close_detection(
            target.detection, event, actor.name, f"of the signal source {name}: {reason}"
        )
        session().commit()
        closed += 1
    audit.record(
        Event.SIGNAL_SOURCE_UNDONE,
        actor=actor.name,
        source=source_id,
        name=name,
        since=since.isoformat(),
        reason=reason,
        closed=closed,
        left=left,
    )
    session().commit()
    return Undone(closed, left)
