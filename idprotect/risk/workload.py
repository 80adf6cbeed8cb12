"""Whether an application that acts for itself does as it always does (workload risk).

A machine has no habits but its network: no browser, no hours, no second factor to ask for. So these are two rules,
apart from the detections of sign-ins: right credentials from an autonomous system that the client never came from, and
far more at our own interfaces than programs do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from idprotect.risk.assessment import NotEvaluated
from idprotect.risk.levels import RiskLevel, highest

#: Stands for an autonomous system that no data could tell; nobody may announce an address with it (RFC 7607).
UNKNOWN = 0
#: How risky far too much makes a client.
BURST = RiskLevel.MEDIUM
#: So many networks without risk are remembered of a client, and so many with.
MOST_ORIGINS = 24


@dataclass(frozen=True, slots=True)
class Origin:
    """An autonomous system that a client's right credentials came from.

    :param times: how often they did; beyond what is learnt from, once a minute and process.
    :param level: above none: what was found when they first did, and nobody closed since.
    """

    asn: int
    first_at: datetime
    last_at: datetime
    times: int
    level: RiskLevel = RiskLevel.NONE

    @property
    def is_known(self) -> bool:
        """Whether coming from there again means nothing."""
        return self.asn != UNKNOWN and self.level is RiskLevel.NONE


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A client that came from where it never did, or did far too much.

    :param reasons: sentences with values, for the administrator.
    :param evidence: the values behind the sentences, by name.
    """

    level: RiskLevel
    reasons: tuple[str, ...]
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Baseline:
    """When a client is still being learnt, so that a new network means nothing.

    :param days: learning lasts at least so long, and
    :param grants: until it came so often from networks that could be told.
    """

    days: float = 5.0
    grants: int = 5

    def reason(self, origins: Iterable[Origin], now: datetime) -> str:
        """Return why the client is still being learnt; empty when not."""
        known = [origin for origin in origins if origin.is_known]
        if not known:
            return "learning this client: no network of it was learnt yet"
        left = self.grants - sum(origin.times for origin in known)
        until = min(origin.first_at for origin in known) + timedelta(days=self.days)
        if left <= 0 and now >= until:
            return ""
        more = f", and {left} more grants" if left > 0 else ""
        return f"learning this client until {until.astimezone(UTC):%Y-%m-%d %H:%M UTC}{more}"


def judge_origin(
    asn: int, origins: Sequence[Origin], now: datetime, baseline: Baseline
) -> Anomaly | NotEvaluated | None:
    """Return what is suspicious about a client's coming from *asn*; None also where that was found before."""
    if asn == UNKNOWN:
        return NotEvaluated("the autonomous system of the address is not known")
    if any(origin.asn == asn for origin in origins):
        return None
    if why := baseline.reason(origins, now):
        return NotEvaluated(why)
    known = sorted(origin.asn for origin in origins if origin.is_known)
    usual = ", ".join(f"AS{number}" for number in known)
    reason = f"the client's credentials were used from AS{asn}; so far it came from {usual}"
    return Anomaly(RiskLevel.MEDIUM, (reason,), {"asn": asn, "known_asns": known})


def burst(what: str, count: int) -> Anomaly:
    """Return the finding for a client that did something so many times within an hour.

    :param what: ``reads`` or ``acts``.
    """
    reason = f"at least {count} {what} at the API within an hour"
    return Anomaly(BURST, (reason,), {"what": what, "count": count})


def client_risk(origins: Iterable[Origin]) -> RiskLevel:
    """Return how likely it is that somebody else has the client's credentials."""
    return highest(origin.level for origin in origins)


def surplus(origins: Iterable[Origin], level: RiskLevel) -> list[int]:
    """Return which networks of a level to forget: those unused for longest. Suspicious ones never push out known."""
    alike = [origin for origin in origins if origin.level is level and origin.asn != UNKNOWN]
    alike.sort(key=lambda origin: origin.last_at, reverse=True)
    return [origin.asn for origin in alike[MOST_ORIGINS:]]
