"""What we believe about one sign-in: signals in, findings and a level out.

Pure: no queries, no clock, no configuration. Live sign-ins, replay and what-if call the same ``assess``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from idprotect.risk.levels import About, RiskLevel, Timing


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known at a sign-in, after the first factor was found right.

    :param failures: consecutive failures on this account just before this success.
    :param listings: for each address list by name whether it holds the address; None = the list cannot tell.
    :param breach_count: how often the password stands in breached data; None = no data.
    """

    at: datetime
    ip_address: str | None = None
    device: str = ""
    known_device: bool = False
    trusted_location: str | None = None
    failures: int = 0
    listings: Mapping[str, bool | None] = field(default_factory=dict)
    breach_count: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious thing.

    :param reasons: sentences with values, for the administrator.
    :param evidence: the values behind the sentences, by name.
    """

    name: str
    level: RiskLevel
    about: About
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing = Timing.REAL_TIME


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A detector's answer when it could not look. Never shown or counted as safe."""

    why: str


Answer = Finding | NotEvaluated | None


class Detector(Protocol):
    """One kind of detection that is looked for at each sign-in; a frozen dataclass whose fields are thresholds."""

    name: ClassVar[str]

    def detect(self, signals: Signals) -> Answer:
        """Return a finding, None for nothing suspicious, or NotEvaluated."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What all detectors said of one sign-in.

    :param not_evaluated: detector name → why it could not look.
    :param failed: names of detectors that raised an exception.
    """

    level: RiskLevel
    findings: tuple[Finding, ...] = ()
    not_evaluated: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


# Evidence adds up: a finding contributes the weight of its level, a sum reaches the level whose threshold it
# meets. So two medium findings are high, three low ones medium, and one weak finding alone is never more than low.
WEIGHTS: Mapping[RiskLevel, int] = {
    RiskLevel.NONE: 0,
    RiskLevel.LOW: 1,
    RiskLevel.MEDIUM: 3,
    RiskLevel.HIGH: 6,
}
TRUSTED_LOCATION_RELIEF = 2


def sign_in_risk(levels: Iterable[RiskLevel], *, trusted_location: bool = False) -> RiskLevel:
    """Add up the levels of the findings about one sign-in.

    A trusted location takes :data:`TRUSTED_LOCATION_RELIEF` off; it never switches evaluation off.
    """
    total = sum(WEIGHTS[level] for level in levels)
    if trusted_location:
        total -= TRUSTED_LOCATION_RELIEF
    return max(
        (level for level, weight in WEIGHTS.items() if weight <= max(total, 0)), default=RiskLevel.NONE
    )


def assess(signals: Signals, detectors: Sequence[Detector]) -> Assessment:
    """Ask every detector, and add up what they found about the sign-in.

    A detector that raises is named in ``failed``: what that means is the caller's choice, but it is never *safe*.
    """
    findings: list[Finding] = []
    not_evaluated: dict[str, str] = {}
    failed: list[str] = []
    for detector in detectors:
        try:
            answer = detector.detect(signals)
        except Exception as error:  # noqa: BLE001 (a detector of the host may raise anything)
            failed.append(detector.name)
            not_evaluated[detector.name] = f"failed with {type(error).__name__}"
            continue
        if isinstance(answer, Finding):
            findings.append(answer)
        elif isinstance(answer, NotEvaluated):
            not_evaluated[detector.name] = answer.why
        elif answer is not None:
            # An answer that nobody understands is not "nothing suspicious".
            failed.append(detector.name)
            not_evaluated[detector.name] = f"answered with {type(answer).__name__}"
    level = sign_in_risk(
        (finding.level for finding in findings if finding.about is About.SIGN_IN),
        trusted_location=signals.trusted_location is not None,
    )
    return Assessment(level, tuple(findings), not_evaluated, tuple(failed))
