"""The server's own log as a replay reads it: attempts, and what came of them, in the order in which it was so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from idprotect.audit import Event
from idprotect.models import AuditEvent, RiskDetection, SignIn, session
from idprotect.risk import Attempt, Result, RiskLevel
from idprotect.risk.detections.failed_challenge import failed_challenge


@dataclass(frozen=True)
class Tried:
    """An attempt, and what was said of it live.

    :param detections: level by name.
    :param not_evaluated: reason by name.
    :param proved_at: when a second factor was proved in it.
    """

    at: datetime
    event_id: str
    attempt: Attempt
    score: float
    level: str
    detections: dict[str, str]
    not_evaluated: dict[str, str]
    proved_at: datetime | None = None


@dataclass(frozen=True)
class Came:
    """What came of an attempt.

    :param device: the browser that became familiar by it.
    :param session: the session that was begun.
    """

    at: datetime
    event_id: str
    result: Result
    device: str | None = None
    session: str | None = None


Entry = Tried | Came


def entries() -> list[Entry]:
    """Return the whole log."""
    found: list[Entry] = []
    for sign_in in session().scalars(select(SignIn)):
        found += [_tried(sign_in), *_came(sign_in)]
    for event in session().scalars(select(AuditEvent).where(AuditEvent.name == Event.SIGN_IN_MOVED)):
        found += _move(event)
    return sorted(found, key=lambda entry: entry.at)


def _tried(sign_in: SignIn) -> Tried:
    raised = session().scalars(select(RiskDetection).where(RiskDetection.sign_in_id == sign_in.id))
    return Tried(
        sign_in.signed_in_at,
        sign_in.id,
        Attempt.from_dict(sign_in.signals),
        sign_in.score,
        sign_in.risk.label,
        {row.name: row.risk.label for row in raised if row.name != failed_challenge(0).name},
        sign_in.not_evaluated,
        sign_in.mfa_at,
    )


def _came(sign_in: SignIn) -> Iterator[Came]:
    if not sign_in.succeeded:
        yield Came(sign_in.signed_in_at, sign_in.id, Result.FAILURE)
    blocked = (AuditEvent.sign_in_id == sign_in.id, AuditEvent.name == Event.SIGN_IN_BLOCKED)
    for at in session().scalars(select(AuditEvent.at).where(*blocked)):
        yield Came(at, sign_in.id, Result.BLOCKED)
    failed = (RiskDetection.sign_in_id == sign_in.id, RiskDetection.name == failed_challenge(0).name)
    for at in session().scalars(select(RiskDetection.detected_at).where(*failed)):
        yield Came(at, sign_in.id, Result.CHALLENGE_FAILED)
    if sign_in.completed_at is not None:
        is_cleared = sign_in.risk_level and not sign_in.aggregated_level
        result = Result.CHALLENGE_PASSED if is_cleared else Result.SUCCESS
        yield Came(sign_in.completed_at, sign_in.id, result, sign_in.browser_id, sign_in.id)


def _move(event: AuditEvent) -> tuple[Tried, Came]:
    """Return the use of a session's cookie from elsewhere."""
    told: dict[str, Any] = event.details
    event_id, attempt = f"move-{event.id}", Attempt.from_dict(told["signals"])
    is_let_on = RiskLevel.parse(told["risk"]) < RiskLevel.MEDIUM
    result = Result.SUCCESS if is_let_on else Result.BLOCKED
    tried = Tried(
        event.at, event_id, attempt, told["score"], told["risk"], told["detections"], told["not_evaluated"]
    )
    return tried, Came(event.at, event_id, result)
