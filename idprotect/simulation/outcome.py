"""What came of a scenario, read from the rows that it left."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from idprotect.models import Receipt, RiskDetection, SignIn, User, session
from idprotect.risk import RiskLevel
from idprotect.simulation.cast import Person
from idprotect.simulation.scenarios import Scenario
from idprotect.simulation.stage import Stage


@dataclass(frozen=True, slots=True)
class Found:
    """A detection that was raised."""

    name: str
    about: str
    level: str
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario.

    :param user: the simulated owner.
    :param did: what was done, in sentences.
    :param level, score: of the last sign-in; None when there was none, as with a stolen cookie.
    :param ended_at: where the last journey ended: ``let_in``, or the page or error that it stopped at.
    :param decision: what was decided first about the last sign-in; *policies* said this about it.
    :param reference: finds that decision.
    """

    scenario: str
    title: str
    user: str
    did: Sequence[str]
    promised: Sequence[str]
    detections: Sequence[Found]
    not_evaluated: dict[str, str]
    level: str | None
    score: float | None
    user_risk: str
    ended_at: str
    decision: str | None
    policies: Sequence[dict[str, Any]]
    reference: str | None
    sign_in_id: str | None
    simulated: bool = True

    @property
    def kept(self) -> bool:
        """Whether it raised what it promises, and nothing else."""
        return sorted(found.name for found in self.detections) == list(self.promised)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"as_promised": self.kept}


def read(scenario: Scenario, stage: Stage, owner: Person, ended_at: str) -> Outcome:
    """Read what a scenario left behind."""
    entered_at = stage.entered_at or stage.opens_at
    sign_in, receipt = _sign_in(owner.id, entered_at), _receipt(owner.id, entered_at)
    return Outcome(
        scenario=scenario.name,
        title=scenario.title,
        user=owner.username,
        did=stage.told,
        promised=sorted(scenario.promises),
        detections=_detections(owner.id, stage.opens_at),
        not_evaluated=dict(sign_in.not_evaluated) if sign_in else {},
        level=sign_in.risk.label if sign_in else None,
        score=round(sign_in.score, 1) if sign_in else None,
        user_risk=session().get_one(User, owner.id).risk.label,
        ended_at=ended_at,
        decision=receipt.outcome if receipt else None,
        policies=receipt.results if receipt else [],
        reference=receipt.reference if receipt else None,
        sign_in_id=sign_in.id if sign_in else None,
    )


def _sign_in(user_id: str, since: datetime) -> SignIn | None:
    since_then = select(SignIn).where(
        SignIn.user_id == user_id, SignIn.succeeded, SignIn.signed_in_at >= since
    )
    return session().scalars(since_then.order_by(SignIn.signed_in_at)).first()


def _receipt(user_id: str, since: datetime) -> Receipt | None:
    first = select(Receipt).where(Receipt.user_id == user_id, Receipt.at >= since).order_by(Receipt.id)
    return session().scalars(first).first()


def _detections(user_id: str, since: datetime) -> list[Found]:
    raised = select(RiskDetection).where(RiskDetection.user_id == user_id, RiskDetection.detected_at >= since)
    rows = session().scalars(raised.order_by(RiskDetection.level.desc(), RiskDetection.name))
    return [Found(row.name, row.about, RiskLevel(row.level).label, list(row.reasons)) for row in rows]
