"""How users, detections and history are shown, in JSON and for reading."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from idprotect import protection
from idprotect.models import RiskDetection, RiskHistory, SignIn, User, session
from idprotect.risk import RiskDetail, RiskLevel, RiskState
from idprotect.risk.states import why_not_reactivated

CLOSING = ["resolve", "false-positive", "ignore"]


def user(row: User) -> dict[str, Any]:
    """Return who it is, and how the identity stands."""
    return {
        "id": row.id,
        "username": row.username,
        "name": row.name,
        "groups": list(row.groups),
        "roles": list(row.roles),
        "enabled": row.enabled,
        "risk_level": row.risk.label,
        "risk_state": row.risk_state,
        "risk_detail": row.risk_detail,
        "simulated": row.simulated,
    }


def detection(row: RiskDetection) -> dict[str, Any]:
    """Return a detection, with the verbs of ``flask idprotect detection`` that apply to it now."""
    return {
        "id": row.id,
        "at": row.detected_at.isoformat(),
        "name": row.name,
        "about": row.about,
        "level": row.risk.label,
        "state": row.state,
        "detail": row.detail,
        "reasons": list(row.reasons),
        "sign_in": row.sign_in_id,
        "reported_by": row.client_id,
        "closed_at": row.closed_at.isoformat() if row.closed_at else None,
        "closed_by": row.closed_by,
        "can": _verbs(row),
        "simulated": row.simulated,
    }


def sign_in(row: SignIn) -> dict[str, Any]:
    """Return a sign-in and how it was judged."""
    return {
        "id": row.id,
        "at": row.signed_in_at.isoformat(),
        "ip_address": row.ip_address,
        "device": row.device_name,
        "amr": list(row.amr),
        "risk_real_time": row.risk.label,
        "risk_aggregated": RiskLevel(row.aggregated_level).label,
        "risk_state": row.risk_state,
        "risk_detail": row.risk_detail,
        "not_evaluated": dict(row.not_evaluated),
        "teaches": row.teaches,
        "completed": row.completed_at is not None,
        "ended": row.end_reason,
        "simulated": row.simulated,
    }


def risk(user_id: str) -> dict[str, Any]:
    """Return all detections of a user, the history, and what can be undone; the user may be gone."""
    until = protection.undo_until(user_id)
    return {
        "detections": [detection(row) for row in _detections(user_id)],
        "history": [_history(row) for row in history(user_id)],
        "undo_dismissal_until": until.isoformat() if until else None,
    }


def history(user_id: str) -> Sequence[RiskHistory]:
    """Return the changes of a user's risk, oldest first."""
    lines = select(RiskHistory).where(RiskHistory.user_id == user_id).order_by(RiskHistory.id)
    return session().scalars(lines).all()


def _verbs(row: RiskDetection) -> list[str]:
    if row.is_open:
        return CLOSING
    problem = why_not_reactivated(RiskState(row.state), RiskDetail(row.detail))
    return ["reactivate"] if problem is None else []


def _detections(user_id: str) -> Sequence[RiskDetection]:
    of_user = select(RiskDetection).where(RiskDetection.user_id == user_id)
    return session().scalars(of_user.order_by(RiskDetection.detected_at)).all()


def _history(row: RiskHistory) -> dict[str, Any]:
    return {
        "at": row.at.isoformat(),
        "change": f"{RiskLevel(row.from_level).label} -> {RiskLevel(row.to_level).label}",
        "state": row.state,
        "detail": row.detail,
        "by": row.actor,
        "cause": row.cause,
    }
