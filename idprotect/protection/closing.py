"""One row of the table of transitions, carried out; and taken back, where it can be."""

from collections.abc import Sequence
from datetime import datetime

from idprotect import audit, clock, learning, sessions
from idprotect.audit import Event
from idprotect.models import RiskDetection, SignIn, session
from idprotect.protection.standing import hold, open_detections, settle_sign_in, settle_user
from idprotect.risk import TRANSITIONS, Closes, Ends, RiskEvent, RiskState, Transition
from idprotect.risk.states import OPEN_DETAIL


def close(
    user_id: str,
    event: RiskEvent,
    actor: str,
    cause: str,
    *,
    sign_in: SignIn | None = None,
    detections: Sequence[RiskDetection] = (),
    acting: SignIn | None = None,
) -> int:
    """Carry out one row of the table; return how many detections it closed.

    :param sign_in: which one, when the row is about *this sign-in*.
    :param detections: which ones, when the row is about *this detection*.
    :param acting: the sign-in in which the user does it; it goes on.
    """
    hold(user_id)
    transition = TRANSITIONS[event]
    targets = _targets(user_id, transition, sign_in, detections)
    _carry_out(user_id, targets, transition, actor, cause, sign_in)
    end(user_id, event, actor, acting)
    return len(targets)


def reopen(user_id: str, detections: Sequence[RiskDetection], actor: str, cause: str) -> None:
    """Put detections back into the state that they had before they were closed, and let the levels follow."""
    hold(user_id)
    for detection in detections:
        state = RiskState(detection.state_before or RiskState.AT_RISK)
        detection.state, detection.detail = str(state), str(OPEN_DETAIL[state])
        detection.state_before = detection.closed_at = detection.closed_by = None
    for sign_in in _sign_ins_of(detections):
        if sign_in.teaches:
            learning.take_back(user_id, sign_in)
        settle_sign_in(sign_in)
    settle_user(user_id, cause, actor)


def end(user_id: str, event: RiskEvent, actor: str, acting: SignIn | None = None) -> None:
    """End the sessions that an event ends, but not the one in which the user acts."""
    if TRANSITIONS[event].ends is not Ends.NONE:
        sessions.end_all(user_id, str(event), actor=actor, but=acting.id if acting is not None else None)


def _targets(
    user_id: str, transition: Transition, sign_in: SignIn | None, detections: Sequence[RiskDetection]
) -> list[RiskDetection]:
    match transition.closes:
        case Closes.THE_USERS:
            found = open_detections(user_id)
        case Closes.THIS_SIGN_IN:
            found = [
                detection
                for detection in open_detections(user_id)
                if sign_in is not None and detection.sign_in_id == sign_in.id and detection.is_of_sign_in
            ]
        case Closes.THIS_DETECTION:
            found = [detection for detection in detections if detection.is_open]
        case Closes.NOTHING:
            found = []
    return [
        detection
        for detection in found
        if detection.name not in transition.keeps and (transition.overrules or not detection.is_confirmed)
    ]


def _carry_out(
    user_id: str,
    detections: Sequence[RiskDetection],
    transition: Transition,
    actor: str,
    cause: str,
    sign_in: SignIn | None,
) -> None:
    now = clock.now()  # one time for all: it tells what was closed together
    for detection in detections:
        _close_one(detection, transition, actor, now)
    touched = _sign_ins_of(detections)
    if sign_in is not None and sign_in not in touched and RiskState(sign_in.risk_state).is_open:
        touched.append(sign_in)  # at risk without a detection: a detector had failed
    for each in touched:
        settle_sign_in(each, transition)
    if detections:
        settle_user(user_id, cause, actor, transition)


def _close_one(detection: RiskDetection, transition: Transition, actor: str, now: datetime) -> None:
    detection.state_before = detection.state
    detection.state, detection.detail = str(transition.to), str(transition.detail)
    detection.closed_at, detection.closed_by, detection.undone_at = now, actor, None
    audit.record(
        Event.RISK_CLOSED,
        actor=actor,
        user_id=detection.user_id,
        sign_in_id=detection.sign_in_id,
        detection=detection.name,
        state=str(transition.to),
        detail=str(transition.detail),
    )


def _sign_ins_of(detections: Sequence[RiskDetection]) -> list[SignIn]:
    ids = dict.fromkeys(detection.sign_in_id for detection in detections if detection.is_of_sign_in)
    found = (session().get(SignIn, sign_in_id) for sign_in_id in ids)
    return [sign_in for sign_in in found if sign_in is not None]
