"""Low risk fades: what kept somebody at low for 180 days is closed. Medium and high stay until somebody closes them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from idprotect import clock
from idprotect.models import RiskDetection, User, session
from idprotect.protection.closing import close
from idprotect.protection.standing import IS_OPEN, SYSTEM, hold, open_detections, open_risk
from idprotect.risk import RiskEvent, RiskLevel
from idprotect.risk.states import LOW_RISK_AGES_OUT_AFTER


def age_out() -> int:
    """Close the old detections of all who are at low, or below by a weak one alone; return how many people it were."""
    limit = clock.now() - LOW_RISK_AGES_OUT_AFTER
    old = select(RiskDetection.user_id).where(IS_OPEN, RiskDetection.opened_at <= limit).distinct()
    return sum(_age_out(user_id, limit) for user_id in session().scalars(old).all())


def _age_out(user_id: str, limit: datetime) -> bool:
    hold(user_id)
    detections = _faded(user_id, limit)
    cause = f"low risk aged out after {LOW_RISK_AGES_OUT_AFTER.days} days"
    return close(user_id, RiskEvent.AGED_OUT, SYSTEM, cause, detections=detections) > 0


def _faded(user_id: str, limit: datetime) -> Sequence[RiskDetection]:
    level, _ = open_risk(user_id)
    user = session().get(User, user_id)
    fell_since = user is not None and user.risk_changed_at is not None and user.risk_changed_at > limit
    if level > RiskLevel.LOW or (level and fell_since):
        return []
    return [detection for detection in open_detections(user_id) if detection.opened_at <= limit]
