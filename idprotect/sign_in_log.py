"""The stored sign-ins and uses of sessions, read back as a log that a replay can judge: a stream, oldest first."""

from collections.abc import Iterator
from heapq import merge
from operator import attrgetter
from typing import Any

from sqlalchemy import Select, select

from idprotect.audit import Event
from idprotect.models import AuditEvent, RiskDetection, SignIn, session, table_of
from idprotect.replay import Came, Past, Tried
from idprotect.risk import Attempt, Result, RiskLevel
from idprotect.risk.detections.failed_challenge import failed_challenge

BATCH = 500
_sign_ins, _detections, _events = table_of(SignIn), table_of(RiskDetection), table_of(AuditEvent)
_SIGN_INS = select(_sign_ins).where(~_sign_ins.c.simulated)
#: Nothing may be learnt of one that somebody else made.
_TEACH = _SIGN_INS.where(_sign_ins.c.teaches.is_not(False))
_TRIED = _SIGN_INS.order_by(_sign_ins.c.signed_in_at, _sign_ins.c.id)
_FAILED = _SIGN_INS.where(~_sign_ins.c.succeeded).order_by(_sign_ins.c.signed_in_at, _sign_ins.c.id)
_COMPLETED = _TEACH.where(_sign_ins.c.completed_at.is_not(None)).order_by(
    _sign_ins.c.completed_at, _sign_ins.c.id
)
_CHALLENGES = (
    select(_detections.c.sign_in_id, _detections.c.detected_at)
    .join(_sign_ins, _sign_ins.c.id == _detections.c.sign_in_id)
    .where(_detections.c.name == failed_challenge(0).name, ~_detections.c.simulated)
    .where(_sign_ins.c.teaches.is_not(False))
    .order_by(_detections.c.detected_at)
)
_EVENTS = (
    select(_events)
    .where(
        _events.c.name.in_(
            [str(event) for event in (Event.SIGN_IN_MOVED, Event.SIGN_IN_MOVE_SETTLED, Event.SIGN_IN_BLOCKED)]
        )
    )
    .order_by(_events.c.id)
)


def log() -> Iterator[Past]:
    """Yield every attempt that happened, and what came of it when that was so, as far as it is stored."""
    # Of one moment an attempt comes first, what came of it next.
    return merge(_tried(), _failed(), _challenges(), _told(), _completed(), key=attrgetter("at"))


def _rows(statement: "Select[Any]") -> Iterator[Any]:
    return iter(session().execute(statement.execution_options(yield_per=BATCH)))


def _tried() -> Iterator[Past]:
    for row in _rows(_TRIED):
        if row.signals:  # a row of an older version has none
            yield Tried(row.signed_in_at, row.id, Attempt.from_dict(row.signals))


def _failed() -> Iterator[Past]:
    for row in _rows(_FAILED):
        yield Came(row.signed_in_at, row.id, Result.FAILURE)


def _completed() -> Iterator[Past]:
    for row in _rows(_COMPLETED):
        # A browser becomes familiar only where nothing was open any more.
        is_cleared = row.risk_level > RiskLevel.NONE and row.browser_id is not None
        result = Result.CHALLENGE_PASSED if is_cleared else Result.SUCCESS
        yield Came(row.completed_at, row.id, result, row.browser_id, row.id)


def _challenges() -> Iterator[Past]:
    for row in _rows(_CHALLENGES):
        yield Came(row.detected_at, row.sign_in_id, Result.CHALLENGE_FAILED)


def _told() -> Iterator[Past]:
    """Yield what the audit log alone tells: sign-ins that were blocked, and uses of sessions from elsewhere."""
    last_move: dict[str, str] = {}
    for event in _rows(_EVENTS):
        if event.name == Event.SIGN_IN_BLOCKED:
            yield Came(event.at, event.sign_in_id, Result.BLOCKED)
        elif event.name == Event.SIGN_IN_MOVED:
            move = last_move[event.sign_in_id] = f"move-{event.id}"
            yield Tried(event.at, move, Attempt.from_dict(event.details["signals"]))
            if event.details["risk"] == RiskLevel.NONE.label:
                yield Came(event.at, move, Result.SUCCESS)
        elif move_settled := last_move.pop(event.sign_in_id, None):
            yield Came(event.at, move_settled, Result(event.details["result"]))
