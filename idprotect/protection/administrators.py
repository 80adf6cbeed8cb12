"""What administrators do about risk. Each verb has a reason, which history and audit log keep."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from idprotect import audit, clock, learning, sessions
from idprotect.audit import Event
from idprotect.errors import InteractionError
from idprotect.models import RiskDetection, SignIn, User, session
from idprotect.protection.closing import close, end, reopen
from idprotect.protection.raising import raise_detection
from idprotect.protection.standing import IS_OPEN, hold, hold_one, open_detections, settle_sign_in
from idprotect.risk import TRANSITIONS, Closes, RiskDetail, RiskEvent, RiskState
from idprotect.risk.detections import reports
from idprotect.risk.states import OPEN_DETAIL, was_undone, why_not_reactivated, why_not_undone
from idprotect.runtime import settings


def temporary_password(user: User, by: str) -> None:
    """An administrator set a temporary password: risk is closed and everything ends at once."""
    close(user.id, RiskEvent.TEMPORARY_PASSWORD, by, f"{by} set a temporary password")


def confirm_compromised(user: User, by: str, note: str = "", *, end_sessions: bool = True) -> None:
    """An administrator confirms that the identity is compromised; nothing is learnt from what came since."""
    hold(user.id)
    learning.forget_since(user.id, _suspicious_since(user.id))
    _confirm(user, None, by, note, RiskEvent.ADMIN_CONFIRMED_USER_COMPROMISED, end_sessions)


def confirm_sign_in_compromised(
    user: User, sign_in: SignIn, by: str, note: str = "", *, end_sessions: bool = True
) -> None:
    """An administrator confirms that one sign-in was not by its owner; nothing is learnt from what came since."""
    hold(user.id)
    learning.forget_since(user.id, sign_in.signed_in_at)
    for detection in open_detections(user.id):
        if detection.sign_in_id == sign_in.id and detection.is_of_sign_in:
            detection.state = str(RiskState.CONFIRMED_COMPROMISED)
            detection.detail = str(OPEN_DETAIL[RiskState.CONFIRMED_COMPROMISED])
    note = note or f"sign-in {sign_in.id}"
    _confirm(user, sign_in, by, note, RiskEvent.ADMIN_CONFIRMED_SIGN_IN_COMPROMISED, end_sessions)


def dismiss(user: User, by: str, reason: str, *, end_sessions: bool = False) -> None:
    """An administrator says the user's risk is void. The password stays, and sessions do unless told otherwise."""
    close(user.id, RiskEvent.ADMIN_DISMISSED_USER, by, f"{by} dismissed the risk: {reason}")
    audit.record(Event.RISK_DISMISSED, actor=by, user_id=user.id, reason=reason)
    if end_sessions:
        sessions.end_all(user.id, str(RiskEvent.ADMIN_DISMISSED_USER), actor=by)


def dismiss_sign_in(user: User, sign_in: SignIn, by: str, reason: str) -> None:
    """An administrator says the risk of one sign-in is void."""
    cause = f"{by} dismissed a sign-in: {reason}"
    close(user.id, RiskEvent.ADMIN_DISMISSED_SIGN_IN, by, cause, sign_in=sign_in)
    audit.record(Event.RISK_DISMISSED, actor=by, user_id=user.id, sign_in_id=sign_in.id, reason=reason)


def confirm_safe(user: User, by: str, reason: str) -> None:
    """An administrator confirms that the identity is in its owner's hands; how they sign in is learnt anew."""
    close(user.id, RiskEvent.ADMIN_CONFIRMED_USER_SAFE, by, f"{by} confirmed the user safe: {reason}")
    learning.restart(user.id)
    audit.record(Event.RISK_CONFIRMED_SAFE, actor=by, user_id=user.id, reason=reason)


def confirm_sign_in_safe(user: User, sign_in: SignIn, by: str, reason: str) -> None:
    """An administrator confirms that a sign-in was by its owner; its context is learnt."""
    event = RiskEvent.ADMIN_CONFIRMED_SIGN_IN_SAFE
    close(user.id, event, by, f"{by} confirmed a sign-in safe: {reason}", sign_in=sign_in)
    settle_sign_in(sign_in, TRANSITIONS[event])
    learning.teach(user.id, sign_in)
    audit.record(Event.RISK_CONFIRMED_SAFE, actor=by, user_id=user.id, sign_in_id=sign_in.id, reason=reason)


def close_detection(detection: RiskDetection, event: RiskEvent, by: str, reason: str) -> None:
    """An administrator closes one detection: resolved, false positive, or ignored. Its user may be gone.

    :raises InteractionError: when it is closed already, with how.
    """
    if TRANSITIONS[event].closes is not Closes.THIS_DETECTION or not TRANSITIONS[event].reversible:
        raise ValueError(f"{event} is not an administrator's verb about one detection")
    hold_one(detection)
    if not detection.is_open:
        raise InteractionError(f"The detection is closed already: {detection.state}, {detection.detail}.")
    close(detection.user_id, event, by, f"{by} closed {detection.name}: {reason}", detections=[detection])


def reactivate(detection: RiskDetection, by: str, reason: str) -> None:
    """An administrator lets a detection count again that an administrator closed; it has to be cleared anew.

    :raises InteractionError: for what is open, or was closed by the system or the user, with the reason.
    """
    hold_one(detection)
    problem = why_not_reactivated(RiskState(detection.state), RiskDetail(detection.detail))
    if problem is not None:
        raise InteractionError(f"The detection cannot be reactivated: {problem}.")
    detection.opened_at = clock.now()
    reopen(detection.user_id, [detection], by, f"{by} reactivated {detection.name}: {reason}")
    audit.record(
        Event.RISK_REACTIVATED,
        actor=by,
        user_id=detection.user_id,
        sign_in_id=detection.sign_in_id,
        detection=detection.name,
        reason=reason,
    )


def undo_dismissal(user: User, by: str, reason: str) -> int:
    """Undo the newest dismissal of a user or of one of their sign-ins, as if it had not been; return of how many.

    :raises InteractionError: when there is none, it is too long ago, or was undone already.
    """
    hold(user.id)
    if (problem := why_no_undoing(user.id)) is not None:
        raise InteractionError(f"Nothing of {user.username} can be undone: {problem}.")
    dismissed, now = last_dismissed(user.id), clock.now()
    reopen(user.id, dismissed, by, f"{by} undid the dismissal: {reason}")
    for detection in dismissed:
        detection.undone_at = now
    audit.record(
        Event.RISK_DISMISSAL_UNDONE, actor=by, user_id=user.id, detections=len(dismissed), reason=reason
    )
    return len(dismissed)


def undo_until(user_id: str) -> datetime | None:
    """Return until when the newest dismissal can be undone, None when none can be."""
    closed_at = _closed_at(last_dismissed(user_id))
    return closed_at + _undo_window() if closed_at and why_no_undoing(user_id) is None else None


def why_no_undoing(user_id: str) -> str | None:
    """Return why the newest dismissal cannot be undone, None when it can."""
    closed_at = _closed_at(last_dismissed(user_id))
    return why_not_undone(closed_at, _undone_at(user_id), clock.now(), _undo_window())


def is_undone(user_id: str) -> bool:
    """Whether nothing was dismissed since a dismissal was undone the last time."""
    return was_undone(_closed_at(last_dismissed(user_id)), _undone_at(user_id))


def last_dismissed(user_id: str) -> Sequence[RiskDetection]:
    """Return the detections of a user that were dismissed together, the last time any were."""
    by_hand = (
        RiskDetection.user_id == user_id,
        RiskDetection.state == str(RiskState.DISMISSED),
        RiskDetection.detail == str(RiskDetail.ADMIN_DISMISSED),
    )
    newest = select(RiskDetection.closed_at).where(*by_hand).order_by(RiskDetection.closed_at.desc()).limit(1)
    statement = select(RiskDetection).where(*by_hand, RiskDetection.closed_at == newest.scalar_subquery())
    return session().scalars(statement, execution_options={"populate_existing": True}).all()


def _confirm(
    user: User, sign_in: SignIn | None, by: str, note: str, event: RiskEvent, ends_sessions: bool
) -> None:
    sign_in_id = sign_in.id if sign_in is not None else None
    confirmed = [row.sign_in_id for row in open_detections(user.id) if row.name == reports.ADMIN_CONFIRMED]
    if sign_in_id not in confirmed:  # said again, it is no second finding
        raise_detection(user, reports.admin_confirmed(by, note), sign_in, actor=by)
    audit.record(Event.RISK_CONFIRMED, actor=by, user_id=user.id, sign_in_id=sign_in_id, note=note)
    if ends_sessions:
        end(user.id, event, by)


def _suspicious_since(user_id: str) -> datetime:
    """Return since when something counts against a user: the time of the first sign-in or finding; else now."""
    of_sign_in = select(SignIn.signed_in_at).join(RiskDetection, RiskDetection.sign_in_id == SignIn.id)
    found = [detection.detected_at for detection in open_detections(user_id)]
    found += session().scalars(of_sign_in.where(RiskDetection.user_id == user_id, IS_OPEN)).all()
    return min(found, default=clock.now())


def _undone_at(user_id: str) -> datetime | None:
    newest = select(func.max(RiskDetection.undone_at)).where(RiskDetection.user_id == user_id)
    return session().scalar(newest)


def _undo_window() -> timedelta:
    return timedelta(seconds=settings().undo_window)


def _closed_at(detections: Sequence[RiskDetection]) -> datetime | None:
    return detections[0].closed_at if detections else None
