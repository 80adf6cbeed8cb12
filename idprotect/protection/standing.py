"""What is open of a user, and the levels of sign-ins and users that follow from it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from idprotect import audit, clock, notifications
from idprotect.audit import Event
from idprotect.models import RiskDetection, RiskHistory, SignIn, User, session
from idprotect.risk import (
    About,
    OpenSignIn,
    RiskDetail,
    RiskLevel,
    RiskState,
    Timing,
    Transition,
    aggregated_risk,
    user_risk,
)
from idprotect.risk.levels import OPEN_STATES
from idprotect.risk.states import OPEN_DETAIL

SYSTEM = "system"
IS_OPEN = RiskDetection.state.in_([str(state) for state in OPEN_STATES])

OpenRow = Any  # a row of the query below


def hold(user_id: str) -> None:
    """Keep a user's row until the end of the transaction.

    What changes several rows of one user takes this one first; in any other order two of them could wait for each
    other for ever.
    """
    with session().no_autoflush:
        session().execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


def has_open(user_id: str, name: str) -> bool:
    """Whether a detection of this name is open for the user."""
    return any(detection.name == name for detection in open_detections(user_id))


def hold_one(detection: RiskDetection) -> None:
    """Hold its user's row, and look at the detection again: somebody may have closed it meanwhile."""
    hold(detection.user_id)
    session().refresh(detection)


def was_raised(sign_in: SignIn, name: str) -> bool:
    """Whether a detection of this name was ever made of a sign-in, open or closed."""
    made = select(RiskDetection.id).where(RiskDetection.sign_in_id == sign_in.id, RiskDetection.name == name)
    return session().scalar(made.limit(1)) is not None


def open_detections(user_id: str) -> Sequence[RiskDetection]:
    """Return what counts against a user, as it is stored now."""
    found = select(RiskDetection).where(RiskDetection.user_id == user_id, IS_OPEN)
    return session().scalars(found, execution_options={"populate_existing": True}).all()


def open_risk(user_id: str, but_sign_in: str | None = None) -> tuple[RiskLevel, datetime | None]:
    """Return the user's level, and since when the newest detection behind it counts.

    :param but_sign_in: leave the detections about this sign-in out: while nothing came of it, it is judged as
        the risk of the sign-in.
    """
    rows = [row for row in _open_rows(user_id) if row.about == About.USER or row.sign_in_id != but_sign_in]
    return _level_of(rows), max((row.opened_at for row in rows), default=None)


def settle_sign_in(sign_in: SignIn, transition: Transition | None = None) -> None:
    """Let the aggregated level and the state of a sign-in follow from what is open.

    :param transition: what closed something just now.
    """
    session().flush()
    of_sign_in = session().scalars(select(RiskDetection).where(RiskDetection.sign_in_id == sign_in.id)).all()
    detections = [detection for detection in of_sign_in if detection.is_of_sign_in]
    found = [detection for detection in detections if detection.is_open]
    if any(detection.is_confirmed for detection in found):
        _put_sign_in(sign_in, RiskLevel.HIGH, RiskState.CONFIRMED_COMPROMISED)
    elif found:
        _put_sign_in(sign_in, _aggregated(sign_in, detections), RiskState.AT_RISK)
    elif transition is not None:
        _put_sign_in(sign_in, RiskLevel.NONE, transition.to, transition.detail)


def settle_user(user_id: str, cause: str, actor: str, transition: Transition | None = None) -> None:
    """Let the user's level follow from what is open, and write a line of history when it moved.

    A user who was deleted has a history still, which goes on.

    :param transition: what closed something just now.
    """
    session().flush()
    user = session().get(User, user_id)
    if user is not None:
        # Two events at once must not each overlook the other: the second waits for the first (PostgreSQL; SQLite
        # has one writer), and then looks at what the first one left.
        columns = ["risk_level", "risk_state", "risk_detail"]
        session().refresh(user, columns, with_for_update={"key_share": True})
    before = _standing(user_id, user)
    rows = _open_rows(user_id)
    level = _level_of(rows)
    state, detail = _state_of(rows, level, transition)
    if (level, state) == before:
        return
    if user is not None:
        user.risk_level, user.risk_state, user.risk_detail = int(level), str(state), str(detail)
        user.risk_changed_at = clock.now()
    why = transition.detail if transition is not None else detail
    _write_history(user_id, before[0], level, state, why, cause, actor)
    audit.record(
        Event.USER_RISK_CHANGED,
        actor=actor,
        user_id=user_id,
        before=before[0].label,
        level=level.label,
        state=str(state),
        detail=str(why),
    )
    if user is not None and level is RiskLevel.HIGH and before[0] is not RiskLevel.HIGH:
        notifications.user_at_risk(user)
    session().flush()


def _aggregated(sign_in: SignIn, detections: Sequence[RiskDetection]) -> RiskLevel:
    then = [detection for detection in detections if detection.timing == Timing.REAL_TIME]
    since = [detection for detection in detections if detection.timing != Timing.REAL_TIME]
    return aggregated_risk(
        sign_in.risk,
        [detection.risk for detection in then if detection.is_open],
        [detection.risk for detection in since if detection.is_open],
        some_closed=not all(detection.is_open for detection in then),
    )


def _put_sign_in(
    sign_in: SignIn, level: RiskLevel, state: RiskState, detail: RiskDetail | None = None
) -> None:
    sign_in.aggregated_level, sign_in.risk_state = int(level), str(state)
    sign_in.risk_detail = str(detail if detail is not None else OPEN_DETAIL[state])


def _open_rows(user_id: str) -> Sequence[OpenRow]:
    """Return about, level, sign-in, time and state of open detections, with what came of their sign-in."""
    statement = (
        select(
            RiskDetection.about,
            RiskDetection.level,
            RiskDetection.sign_in_id,
            RiskDetection.opened_at,
            RiskDetection.state,
            SignIn.id.label("stored"),
            SignIn.aggregated_level,
            SignIn.completed_at,
        )
        .outerjoin(SignIn, SignIn.id == RiskDetection.sign_in_id)
        .where(RiskDetection.user_id == user_id, IS_OPEN)
    )
    return session().execute(statement).all()


def _level_of(rows: Sequence[OpenRow]) -> RiskLevel:
    about_user = [RiskLevel(row.level) for row in rows if row.about == About.USER]
    sign_ins = {row.sign_in_id: _open_sign_in(row) for row in rows if row.about == About.SIGN_IN}
    return user_risk(about_user, sign_ins.values())


def _open_sign_in(row: OpenRow) -> OpenSignIn:
    """Return what a sign-in adds; of one that is not stored any more we must think that it was let in."""
    if row.stored is None:
        return OpenSignIn(RiskLevel(row.level), completed=True)
    return OpenSignIn(RiskLevel(row.aggregated_level), row.completed_at is not None)


def _standing(user_id: str, user: User | None) -> tuple[RiskLevel, RiskState]:
    """Return level and state until now; for a deleted user where the history stopped."""
    if user is not None:
        return user.risk, RiskState(user.risk_state)
    newest = select(RiskHistory).where(RiskHistory.user_id == user_id).order_by(RiskHistory.id.desc())
    last = session().scalar(newest.limit(1))
    return (RiskLevel(last.to_level), RiskState(last.state)) if last else (RiskLevel.NONE, RiskState.NONE)


def _state_of(
    rows: Sequence[OpenRow], level: RiskLevel, transition: Transition | None
) -> tuple[RiskState, RiskDetail]:
    if not rows and transition is not None:
        return transition.to, transition.detail
    if not level:
        return RiskState.NONE, RiskDetail.NONE
    confirmed = any(row.state == RiskState.CONFIRMED_COMPROMISED for row in rows)
    state = RiskState.CONFIRMED_COMPROMISED if confirmed else RiskState.AT_RISK
    return state, OPEN_DETAIL[state]


def _write_history(
    user_id: str,
    before: RiskLevel,
    level: RiskLevel,
    state: RiskState,
    detail: RiskDetail,
    cause: str,
    actor: str,
) -> None:
    session().add(
        RiskHistory(
            user_id=user_id,
            at=clock.now(),
            from_level=int(before),
            to_level=int(level),
            state=str(state),
            detail=str(detail),
            cause=cause,
            actor=actor,
        )
    )
