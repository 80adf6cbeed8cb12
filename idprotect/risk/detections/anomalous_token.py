"""A session's cookie that appears elsewhere, or a single-use token that is presented again: somebody copied it."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.attempt import Attempt, Kind, in_words
from idprotect.risk.evidence.network import familiarity
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.model import contributions, level_of


@dataclass(frozen=True, slots=True)
class AnomalousToken:
    """Looks at sessions only; a detection about the user: whoever has the cookie got at the device."""

    name: ClassVar[str] = "anomalous_token"

    def detect(self, signals: Signals) -> Answer:
        """Raise it where network and browser both changed, or where all evidence together is high."""
        attempt = signals.attempt
        former = signals.profile.sessions.get(attempt.session or "")
        if attempt.kind is not Kind.SESSION:
            return None
        if former is None:
            return NotEvaluated("it is not known any more what the session began with")
        total = sum(contributions(signals.evidence, frozenset()).values())
        both = familiarity(attempt, signals.profile).is_elsewhere and former.name != attempt.browser.name
        if not both and level_of(total) < RiskLevel.HIGH:
            return None
        reasons = (
            f"the session's cookie came from {_whence(attempt)}, before from {former.point.country or 'elsewhere'}",
            f"by {in_words(attempt.browser.name)}, before by {in_words(former.name)}",
        )
        values = {"nats": round(total, 2), "country": attempt.country, "former_country": former.point.country}
        return Finding(self.name, RiskLevel.HIGH, About.USER, reasons, values, is_weighed=True)


def reused(what: str) -> Finding:
    """Return the finding for a single-use token that was presented again (RFC 9700 section 4.14.2).

    :param what: such as ``a refresh token``.
    """
    return Finding(
        AnomalousToken.name,
        RiskLevel.HIGH,
        About.USER,
        (f"{what} that was used before was presented again",),
        {"what": what},
    )


def _whence(attempt: Attempt) -> str:
    if attempt.network is None:
        return "an unknown address"
    name = attempt.network.organisation or attempt.network.address
    return f"{name} in {attempt.country}" if attempt.country else name
