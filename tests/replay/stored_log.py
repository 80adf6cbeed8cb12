"""What a server said live of the attempts in its log."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from idprotect.audit import Event
from idprotect.models import AuditEvent, RiskDetection, SignIn, session
from idprotect.risk.detections.failed_challenge import failed_challenge


@dataclass(frozen=True)
class Said:
    """What was said live of an attempt.

    :param detections: level by name.
    :param not_evaluated: reason by name.
    :param proved_at: when a second factor was proved in it.
    """

    score: float
    level: str
    detections: dict[str, str]
    not_evaluated: dict[str, str]
    proved_at: datetime | None = None


def said_live() -> dict[str, Said]:
    """Return what was said, by the id that the log has for the attempt."""
    sign_ins = {sign_in.id: _of_sign_in(sign_in) for sign_in in session().scalars(select(SignIn))}
    moves = session().scalars(select(AuditEvent).where(AuditEvent.name == Event.SIGN_IN_MOVED))
    return sign_ins | {f"move-{event.id}": _of_move(event) for event in moves}


def _of_sign_in(sign_in: SignIn) -> Said:
    raised = session().scalars(select(RiskDetection).where(RiskDetection.sign_in_id == sign_in.id))
    return Said(
        sign_in.score,
        sign_in.risk.label,
        {row.name: row.risk.label for row in raised if row.name != failed_challenge(0).name},
        sign_in.not_evaluated,
        sign_in.mfa_at,
    )


def _of_move(event: AuditEvent) -> Said:
    told = event.details
    return Said(told["score"], told["risk"], told["detections"], told["not_evaluated"])
