"""Findings become open detections, and the levels follow."""

from collections.abc import Sequence
from dataclasses import dataclass

from idprotect import audit, clock, simulated
from idprotect.audit import Event
from idprotect.models import RiskDetection, SignIn, User, new_id, session
from idprotect.protection.standing import SYSTEM, hold, settle_sign_in, settle_user
from idprotect.risk import Finding, RiskState
from idprotect.risk.detections.reports import ADMIN_CONFIRMED
from idprotect.risk.states import OPEN_DETAIL


@dataclass(frozen=True, slots=True)
class Report:
    """Which application reported a finding, and by which of its own ids."""

    client_id: str
    report_id: str


def raise_detection(
    user: User,
    finding: Finding,
    sign_in: SignIn | None = None,
    *,
    actor: str = SYSTEM,
    report: Report | None = None,
) -> RiskDetection:
    """Store a finding, open, and let the user's level follow."""
    hold(user.id)
    row = _store(user, finding, sign_in, actor, report)
    _settle(user, [finding], sign_in, actor)
    return row


def raise_detections(
    user: User, findings: Sequence[Finding], sign_in: SignIn | None = None, *, actor: str = SYSTEM
) -> None:
    """Store findings of one moment, open, and let the user's level follow once."""
    if not findings:
        return
    hold(user.id)
    for finding in findings:
        _store(user, finding, sign_in, actor)
    _settle(user, findings, sign_in, actor)


def _settle(user: User, findings: Sequence[Finding], sign_in: SignIn | None, actor: str) -> None:
    if sign_in is not None:
        settle_sign_in(sign_in)
    settle_user(user.id, "; ".join(reason for finding in findings for reason in finding.reasons), actor)


def _store(
    user: User, finding: Finding, sign_in: SignIn | None, actor: str, report: Report | None = None
) -> RiskDetection:
    confirmed = finding.name == ADMIN_CONFIRMED
    state = RiskState.CONFIRMED_COMPROMISED if confirmed else RiskState.AT_RISK
    now = clock.now()
    row = RiskDetection(
        id=new_id(),
        user_id=user.id,
        sign_in_id=sign_in.id if sign_in else None,
        name=finding.name,
        about=str(finding.about),
        level=int(finding.level),
        timing=str(finding.timing),
        reasons=list(finding.reasons),
        evidence=dict(finding.evidence),
        detected_at=now,
        opened_at=now,
        state=str(state),
        detail=str(OPEN_DETAIL[state]),
        client_id=report.client_id if report else None,
        report_id=report.report_id if report else None,
        simulated=simulated.is_running(),
    )
    session().add(row)
    audit.record(
        Event.RISK_DETECTED,
        actor=actor,
        user_id=user.id,
        sign_in_id=row.sign_in_id,
        detection=finding.name,
        level=finding.level.label,
    )
    return row
