"""The life of a detection: raised, confirmed, closed. The only module that changes a risk state.

What an event closes, and which sessions it ends, stands in :data:`idprotect.risk.TRANSITIONS`; the verbs here
carry that table out and keep the levels of sign-ins and users in step with what is open.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from idprotect import audit, clock, notifications, sessions
from idprotect.audit import Event
from idprotect.models import RiskDetection, RiskHistory, SignIn, User, new_id, session
from idprotect.risk import (
    TRANSITIONS,
    About,
    Closes,
    Ends,
    Finding,
    OpenSignIn,
    RiskDetail,
    RiskEvent,
    RiskLevel,
    RiskState,
    Transition,
    sign_in_risk,
    user_risk,
)
from idprotect.risk.detections import reports
from idprotect.risk.levels import OPEN_STATES

SYSTEM = "system"
LOW_RISK_AGES_OUT_AFTER = timedelta(days=180)


def raise_detection(
    user: User, finding: Finding, sign_in: SignIn | None = None, *, actor: str = SYSTEM
) -> None:
    """Store a finding, open, and let the user's level follow."""
    raise_detections(user, [finding], sign_in, actor=actor)


def raise_detections(
    user: User, findings: Sequence[Finding], sign_in: SignIn | None = None, *, actor: str = SYSTEM
) -> None:
    """Store findings of one moment, open, and let the user's level follow once."""
    if not findings:
        return
    hold(user.id)
    for finding in findings:
        session().add(_row(user, finding, sign_in))
        audit.record(
            Event.RISK_DETECTED,
            actor=actor,
            user_id=user.id,
            sign_in_id=sign_in.id if sign_in else None,
            detection=finding.name,
            level=finding.level.label,
        )
    session().flush()
    if sign_in is not None:
        _settle_sign_in(sign_in, None)
    cause = "; ".join(reason for finding in findings for reason in finding.reasons)
    _settle_user(user, cause, actor, RiskDetail.NONE)


def mitigate(user: User, sign_in: SignIn, *, for_sign_in_risk: bool) -> None:
    """A second factor was proved: close this sign-in's risk, and leave the user's other detections open."""
    event = RiskEvent.MFA_FOR_SIGN_IN_RISK if for_sign_in_risk else RiskEvent.MFA_FOR_ANOTHER_REASON
    _close(user, event, SYSTEM, "a second factor was proved", sign_in=sign_in)


def secure_password_change(user: User, sign_in: SignIn) -> None:
    """The user changed the password after MFA: the identity is restored, everything else of it ends."""
    user.recovered_at = clock.now()
    _close(
        user, RiskEvent.SECURE_PASSWORD_CHANGE, user.username, "the user changed the password", acting=sign_in
    )


def voluntary_password_change(user: User, sign_in: SignIn | None) -> None:
    """The user changed the password in the profile: risk stays, for whoever has the password could do that."""
    _close(user, RiskEvent.VOLUNTARY_PASSWORD_CHANGE, user.username, "password change", acting=sign_in)


def temporary_password(user: User, by: str) -> None:
    """An administrator set a temporary password: risk is closed and everything ends at once."""
    _close(user, RiskEvent.TEMPORARY_PASSWORD, by, f"{by} set a temporary password")


def report(user: User, what: str, *, acting: SignIn | None = None) -> None:
    """The user says "this was not me"; everything but the sign-in in which they say so ends."""
    raise_detection(user, reports.user_reported(what), actor=user.username)
    _end(user, TRANSITIONS[RiskEvent.USER_REPORTED], RiskEvent.USER_REPORTED, user.username, acting)


def confirm_own_sign_in(user: User, sign_in: SignIn) -> None:
    """The user says of a stopped sign-in "this was me", from a later one without risk."""
    _close(
        user, RiskEvent.USER_CONFIRMED_SIGN_IN, user.username, "the user says: this was me", sign_in=sign_in
    )


def confirm_compromised(user: User, by: str, note: str = "", *, end_sessions: bool = True) -> None:
    """An administrator confirms that the identity is compromised."""
    raise_detection(user, reports.admin_confirmed(by, note), actor=by)
    audit.record(Event.RISK_CONFIRMED, actor=by, user_id=user.id, note=note)
    if end_sessions:
        event = RiskEvent.ADMIN_CONFIRMED_USER_COMPROMISED
        _end(user, TRANSITIONS[event], event, by, None)


def confirm_sign_in_compromised(
    user: User, sign_in: SignIn, by: str, note: str = "", *, end_sessions: bool = True
) -> None:
    """An administrator confirms that one sign-in was not by its owner."""
    for detection in _open_detections(user.id, sign_in_id=sign_in.id):
        detection.state = str(RiskState.CONFIRMED_COMPROMISED)
        detection.detail = str(RiskDetail.ADMIN_CONFIRMED_COMPROMISED)
    sign_in.aggregated_level = int(RiskLevel.HIGH)
    sign_in.risk_state = str(RiskState.CONFIRMED_COMPROMISED)
    sign_in.risk_detail = str(RiskDetail.ADMIN_CONFIRMED_COMPROMISED)
    confirm_compromised(user, by, note or f"sign-in {sign_in.id}", end_sessions=end_sessions)


def dismiss(user: User, by: str, reason: str) -> None:
    """An administrator says the user's risk is void. Password and sessions stay as they are."""
    _close(user, RiskEvent.ADMIN_DISMISSED_USER, by, f"{by} dismissed the risk: {reason}")
    audit.record(Event.RISK_DISMISSED, actor=by, user_id=user.id, reason=reason)


def dismiss_sign_in(user: User, sign_in: SignIn, by: str, reason: str) -> None:
    """An administrator says the risk of one sign-in is void."""
    _close(
        user, RiskEvent.ADMIN_DISMISSED_SIGN_IN, by, f"{by} dismissed a sign-in: {reason}", sign_in=sign_in
    )
    audit.record(Event.RISK_DISMISSED, actor=by, user_id=user.id, sign_in_id=sign_in.id, reason=reason)


def confirm_safe(user: User, by: str, reason: str) -> None:
    """An administrator confirms that the identity is in its owner's hands."""
    _close(user, RiskEvent.ADMIN_CONFIRMED_USER_SAFE, by, f"{by} confirmed the user safe: {reason}")
    audit.record(Event.RISK_CONFIRMED_SAFE, actor=by, user_id=user.id, reason=reason)


def confirm_sign_in_safe(user: User, sign_in: SignIn, by: str, reason: str) -> None:
    """An administrator confirms that a sign-in was by its owner."""
    _close(
        user,
        RiskEvent.ADMIN_CONFIRMED_SIGN_IN_SAFE,
        by,
        f"{by} confirmed a sign-in safe: {reason}",
        sign_in=sign_in,
    )
    audit.record(Event.RISK_CONFIRMED_SAFE, actor=by, user_id=user.id, sign_in_id=sign_in.id, reason=reason)


def close_detection(user: User, detection: RiskDetection, event: RiskEvent, by: str, reason: str) -> None:
    """An administrator closes one detection: resolved, false positive, or ignored."""
    _close(user, event, by, f"{by} closed {detection.name}: {reason}", detection=detection)


def completed(user: User, sign_in: SignIn) -> None:
    """The sign-in ended with access, so what is open of it counts as a sign-in that was let through."""
    sign_in.completed_at = clock.now()
    if sign_in.aggregated_level:
        session().flush()
        _settle_user(user, "a risky sign-in was completed", SYSTEM, RiskDetail.NONE)


def age_out() -> int:
    """Close the risk of users who have been at low for 180 days; medium and high stay. Return how many."""
    limit = clock.now() - LOW_RISK_AGES_OUT_AFTER
    old = select(User).where(User.risk_level == int(RiskLevel.LOW), User.risk_changed_at <= limit)
    users = session().scalars(old).all()
    for user in users:
        transition = TRANSITIONS[RiskEvent.AGED_OUT]
        detections = [d for d in _open_detections(user.id) if d.detected_at <= limit]
        _carry_out(user, detections, transition, SYSTEM, "low risk aged out after 180 days")
    return len(users)


def open_risk(user_id: str, but_sign_in: str | None = None) -> tuple[RiskLevel, datetime | None]:
    """Return the user's level and when the newest detection behind it was made.

    :param but_sign_in: leave the detections about this sign-in out: while nothing came of it, it is judged as
        the risk of the sign-in.
    """
    rows = [row for row in _open_rows(user_id) if row.about == About.USER or row.sign_in_id != but_sign_in]
    return _level_of(rows), max((row.detected_at for row in rows), default=None)


def stopped_sign_in(user_id: str, but: str) -> SignIn | None:
    """Return the newest sign-in with open risk that was stopped, other than the one called *but*."""
    statement = (
        select(SignIn)
        .join(RiskDetection, RiskDetection.sign_in_id == SignIn.id)
        .where(
            RiskDetection.user_id == user_id,
            RiskDetection.about == str(About.SIGN_IN),
            RiskDetection.state == str(RiskState.AT_RISK),
            SignIn.completed_at.is_(None),
            SignIn.id != but,
        )
        .order_by(SignIn.signed_in_at.desc())
    )
    return session().scalar(statement.limit(1))


def _row(user: User, finding: Finding, sign_in: SignIn | None) -> RiskDetection:
    confirmed = finding.name == "admin_confirmed"
    return RiskDetection(
        id=new_id(),
        user_id=user.id,
        sign_in_id=sign_in.id if sign_in else None,
        name=finding.name,
        about=str(finding.about),
        level=int(finding.level),
        timing=str(finding.timing),
        reasons=list(finding.reasons),
        evidence=dict(finding.evidence),
        detected_at=clock.now(),
        state=str(RiskState.CONFIRMED_COMPROMISED if confirmed else RiskState.AT_RISK),
        detail=str(RiskDetail.ADMIN_CONFIRMED_COMPROMISED if confirmed else RiskDetail.NONE),
    )


def _close(
    user: User,
    event: RiskEvent,
    actor: str,
    cause: str,
    *,
    sign_in: SignIn | None = None,
    detection: RiskDetection | None = None,
    acting: SignIn | None = None,
) -> None:
    """Carry out one row of the table of transitions."""
    transition = TRANSITIONS[event]
    hold(user.id)
    match transition.closes:
        case Closes.THE_USERS:
            targets: Iterable[RiskDetection] = _open_detections(user.id)
        case Closes.THIS_SIGN_IN:
            targets = _open_detections(user.id, sign_in_id=sign_in.id if sign_in else "", about=About.SIGN_IN)
        case Closes.THIS_DETECTION:
            targets = [detection] if detection is not None and RiskState(detection.state).is_open else []
        case Closes.NOTHING:
            targets = []
    _carry_out(user, [d for d in targets if d.name not in transition.keeps], transition, actor, cause)
    _end(user, transition, event, actor, acting)


def _carry_out(
    user: User, detections: Sequence[RiskDetection], transition: Transition, actor: str, cause: str
) -> None:
    if not detections:
        return
    for detection in detections:
        detection.state, detection.detail = str(transition.to), str(transition.detail)
        detection.closed_at, detection.closed_by = clock.now(), actor
        audit.record(
            Event.RISK_CLOSED,
            actor=actor,
            user_id=user.id,
            sign_in_id=detection.sign_in_id,
            detection=detection.name,
            state=str(transition.to),
            detail=str(transition.detail),
        )
    session().flush()
    for sign_in_id in {d.sign_in_id for d in detections if d.sign_in_id and not d.is_about_user}:
        sign_in = session().get(SignIn, sign_in_id)
        if sign_in is not None:
            _settle_sign_in(sign_in, transition)
    _settle_user(user, cause, actor, transition.detail, transition.to)


def _end(user: User, transition: Transition, event: RiskEvent, actor: str, acting: SignIn | None) -> None:
    if transition.ends is Ends.NONE:
        return
    but = acting.id if acting is not None and transition.ends is Ends.OTHERS else None
    sessions.end_all(user.id, str(event), actor=actor, but=but)


def _open_detections(
    user_id: str, *, sign_in_id: str | None = None, about: About | None = None
) -> Sequence[RiskDetection]:
    statement = select(RiskDetection).where(
        RiskDetection.user_id == user_id, RiskDetection.state.in_([str(state) for state in OPEN_STATES])
    )
    if sign_in_id is not None:
        statement = statement.where(RiskDetection.sign_in_id == sign_in_id)
    if about is not None:
        statement = statement.where(RiskDetection.about == str(about))
    return session().scalars(statement).all()


def _settle_sign_in(sign_in: SignIn, transition: Transition | None) -> None:
    """Let the aggregated level and the state of a sign-in follow from what is open."""
    session().flush()
    detections = _open_detections(sign_in.user_id or "", sign_in_id=sign_in.id, about=About.SIGN_IN)
    sign_in.aggregated_level = int(sign_in_risk(detection.risk for detection in detections))
    if detections:
        sign_in.risk_state, sign_in.risk_detail = str(RiskState.AT_RISK), str(RiskDetail.NONE)
    elif transition is not None:
        sign_in.risk_state, sign_in.risk_detail = str(transition.to), str(transition.detail)


OpenRow = Any  # a row of the query below


def _open_rows(user_id: str) -> Sequence[OpenRow]:
    """Return about, level, sign-in, time and state of open detections, with what came of their sign-in."""
    statement = (
        select(
            RiskDetection.about,
            RiskDetection.level,
            RiskDetection.sign_in_id,
            RiskDetection.detected_at,
            RiskDetection.state,
            SignIn.aggregated_level,
            SignIn.completed_at,
        )
        .outerjoin(SignIn, SignIn.id == RiskDetection.sign_in_id)
        .where(
            RiskDetection.user_id == user_id, RiskDetection.state.in_([str(state) for state in OPEN_STATES])
        )
    )
    return session().execute(statement).all()


def _level_of(rows: Sequence[OpenRow]) -> RiskLevel:
    about_user = [RiskLevel(row.level) for row in rows if row.about == About.USER]
    sign_ins = {
        row.sign_in_id: OpenSignIn(RiskLevel(row.aggregated_level or row.level), row.completed_at is not None)
        for row in rows
        if row.about == About.SIGN_IN
    }
    return user_risk(about_user, sign_ins.values())


def _settle_user(
    user: User, cause: str, actor: str, detail: RiskDetail, closed_as: RiskState | None = None
) -> None:
    """Let the user's level follow from what is open, and write a line of history when it moved."""
    session().flush()
    # Two events at once must not each overlook the other: the second waits for the first (PostgreSQL; SQLite has
    # one writer), and then looks at what the first one left.
    session().refresh(user, ["risk_level", "risk_state", "risk_detail"], with_for_update={"key_share": True})
    rows = _open_rows(user.id)
    level = _level_of(rows)
    before = user.risk
    if rows:
        confirmed = any(row.state == RiskState.CONFIRMED_COMPROMISED for row in rows)
        state = RiskState.CONFIRMED_COMPROMISED if confirmed else RiskState.AT_RISK
        state = state if level else RiskState.NONE
    else:
        state = closed_as or RiskState.NONE
    if level == before and str(state) == user.risk_state:
        return
    now = clock.now()
    user.risk_level, user.risk_state, user.risk_detail, user.risk_changed_at = (
        int(level),
        str(state),
        str(detail),
        now,
    )
    session().add(
        RiskHistory(
            user_id=user.id,
            at=now,
            from_level=int(before),
            to_level=int(level),
            state=str(state),
            detail=str(detail),
            cause=cause,
            actor=actor,
        )
    )
    if level is RiskLevel.HIGH and before is not RiskLevel.HIGH:
        notifications.user_at_risk(user)
    session().flush()


def hold(user_id: str) -> None:
    """Keep a user's row until the end of the transaction.

    What changes several rows of one user takes this one first; in any other order two of them could wait for each
    other for ever.
    """
    with session().no_autoflush:
        session().execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


def has_open(user_id: str, name: str) -> bool:
    """Whether a detection of this name is open for the user."""
    return any(detection.name == name for detection in _open_detections(user_id))
