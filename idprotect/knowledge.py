"""Everything that is known of one person in order to judge risk, for that person (GDPR article 15), in plain words.

Scores, weights and thresholds are left out: they would tell an attacker in the account more than its owner.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from idprotect import acceptances, clock, learning
from idprotect.models import Device, RiskDetection, RiskHistory, SignIn, TermsAcceptance, User, session
from idprotect.risk import RiskLevel
from idprotect.risk.described import describe
from idprotect.runtime import settings

#: The newest so many rows of a kind; whoever has more is told.
MOST_ROWS = 5000


def habits(user: User) -> dict[str, Any]:
    """Return what is habitual, in words."""
    return describe(learning.profile(user.id), learning.rules(), clock.now().timestamp())


def everything(user: User) -> dict[str, Any]:
    """Return everything, as JSON values."""
    sign_ins = _newest(SignIn, SignIn.user_id == user.id, SignIn.signed_in_at)
    detections = _newest(RiskDetection, RiskDetection.user_id == user.id, RiskDetection.detected_at)
    history = _newest(RiskHistory, RiskHistory.user_id == user.id, RiskHistory.at)
    devices = session().scalars(select(Device).where(Device.user_id == user.id)).all()
    return {
        "about": user.username,
        "at": _time(clock.now()),
        "risk": {"level": user.risk.label, "state": user.risk_state},
        "habits": habits(user),
        "familiar_browsers": [
            {"name": row.name, "first_at": _time(row.first_seen_at), "last_at": _time(row.last_seen_at)}
            for row in devices
        ],
        "sign_ins": [_sign_in(row) for row in sign_ins],
        "detections": [_detection(row) for row in detections],
        "history_of_risk": [_line(row) for row in history],
        "accepted_terms": [_acceptance(row, title) for row, title in acceptances.of(user.id)],
        "kept": kept(),
        "left_out": list(_left_out(sign_ins, detections, history)),
    }


def kept() -> dict[str, str]:
    """Return for how long each kind of data is kept."""
    keep = settings()
    return {
        "sign-ins and what was found": f"{keep.keep_sign_ins_days} days, longer while risk is open",
        "whole addresses and texts of browsers": f"{keep.keep_addresses_days} days; then the neighbourhood alone",
        "decisions": f"{keep.keep_receipts_days} days",
        "the audit log": f"{keep.keep_audit_days} days",
        "habits": f"{keep.keep_profiles_days} days after the last change",
        "which terms of use were accepted": "as long as the account and the terms, the address at it as above",
    }


def _newest(model: Any, condition: Any, at: Any) -> Sequence[Any]:
    return session().scalars(select(model).where(condition).order_by(at.desc()).limit(MOST_ROWS)).all()


def _left_out(*kinds: Sequence[Any]) -> Iterator[str]:
    yield "how much each signal weighs, and the scores that come of it"
    if any(len(rows) == MOST_ROWS for rows in kinds):
        yield f"of each kind of row all but the newest {MOST_ROWS}"


def _sign_in(row: SignIn) -> dict[str, Any]:
    return {
        "at": _time(row.signed_in_at),
        "password_was_right": row.succeeded,
        "completed_at": _time(row.completed_at),
        "second_factor_at": _time(row.mfa_at),
        "ended_at": _time(row.ended_at),
        "address": row.ip_address,
        "place": row.place,
        "browser": row.user_agent or row.device_name,
        "known_browser": row.known_device,
        "risk_then": row.risk.label,
        "risk_now": RiskLevel(row.aggregated_level).label,
        "risk_of_session": row.session_risk.label,
        "state": row.risk_state,
        "not_evaluated": dict(row.not_evaluated),
    }


def _detection(row: RiskDetection) -> dict[str, Any]:
    return {
        "found_at": _time(row.detected_at),
        "what": row.name.replace("_", " "),
        "about": row.about.replace("_", " "),
        "level": row.risk.label,
        "state": row.state,
        "detail": row.detail,
        "closed_at": _time(row.closed_at),
    }


def _line(row: RiskHistory) -> dict[str, Any]:
    return {
        "at": _time(row.at),
        "from": RiskLevel(row.from_level).label,
        "to": RiskLevel(row.to_level).label,
        "state": row.state,
        "detail": row.detail,
    }


def _acceptance(row: TermsAcceptance, title: str) -> dict[str, Any]:
    return {
        "at": _time(row.at),
        "terms": row.terms,
        "title": title,
        "version": row.version,
        "address": row.ip_address,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None
