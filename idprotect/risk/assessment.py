"""What we believe about one attempt: signals in, findings, a level and a score out.

Pure: no queries, no clock, no configuration. Live sign-ins, replay and what-if call the same ``assess``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

from idprotect.risk.attempt import Attempt, Kind
from idprotect.risk.evidence import Evidence, evidence
from idprotect.risk.levels import About, RiskLevel, Timing
from idprotect.risk.model import points
from idprotect.risk.network import Network
from idprotect.risk.population import Counts
from idprotect.risk.profile import Learning, Profile


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known at an attempt, after the first factor was found right.

    :param profile: what is habitual for the user.
    :param counts: what everyone does, for the values of this attempt.
    :param evidence: what speaks for or against the attempt, by name.
    :param trusted_location: the trusted named location that the address lies in.
    :param breach_count: how often the password stands in breached data; None = no data.
    :param raised: names of the detections that were raised already.
    """

    attempt: Attempt
    profile: Profile = field(default_factory=Profile)
    counts: Counts = field(default_factory=dict)
    evidence: Evidence = field(default_factory=dict)
    learning: Learning = Learning()  # noqa: RUF009 (a frozen value)
    trusted_location: str | None = None
    breach_count: int | None = None
    raised: frozenset[str] = frozenset()

    @classmethod
    def of(cls, attempt: Attempt, profile: Profile, counts: Counts, **known: Any) -> "Signals":
        """Return the signals of an attempt, with its evidence."""
        return cls(attempt, profile, counts, evidence(attempt, profile, counts), **known)

    @property
    def at(self) -> datetime:
        """The moment of the attempt."""
        return datetime.fromtimestamp(self.attempt.at, UTC)

    @property
    def network(self) -> Network | None:
        """The address, with what is known of it; None: not even the address is known."""
        return self.attempt.network

    def not_located(self, what: str) -> "NotEvaluated":
        """Return the answer of a detector that needs to know where the attempt comes from, and what it missed."""
        return NotEvaluated(self.attempt.unlocated or what)

    @property
    def known_device(self) -> bool:
        """Whether the browser holds a device cookie that the user is known by."""
        return self.attempt.device in self.profile.devices

    @property
    def is_home(self) -> bool:
        """Whether the user has often been at this address, and comes in a known browser."""
        return self.profile.is_home(self.attempt)


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious thing.

    :param reasons: sentences with values, for the administrator.
    :param evidence: the values behind the sentences, by name.
    :param is_weighed: it rests on the sum of all evidence, not on a rule of its own.
    """

    name: str
    level: RiskLevel
    about: About
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing = Timing.REAL_TIME
    is_weighed: bool = False


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A detector's answer when it could not look. Never shown or counted as safe."""

    why: str


Answer = Finding | NotEvaluated | None


class Detector(Protocol):
    """One kind of detection that is looked for at each sign-in; a frozen dataclass whose fields are thresholds.

    :cvar weighs_the_rest: asked last, and told what the others raised. Optional; False when missing.
    """

    name: ClassVar[str]

    def detect(self, signals: Signals) -> Answer:
        """Return a finding, None for nothing suspicious, or NotEvaluated."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What all detectors said of one attempt.

    :param score: in points, the scale on which levels add up: finer than the level, and not a probability.
    :param not_evaluated: detector name → why it could not look.
    :param failed: names of detectors that raised an exception.
    """

    level: RiskLevel
    findings: tuple[Finding, ...] = ()
    not_evaluated: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    score: float = 0.0


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
    """Ask every detector, and add up what they found about the attempt.

    A detector that raises is named in ``failed``: what that means is the caller's choice, but it is never *safe*.
    """
    findings: list[Finding] = []
    not_evaluated: dict[str, str] = {}
    failed: list[str] = []
    for detector in sorted(detectors, key=_weighs_the_rest):
        if findings and _weighs_the_rest(detector):
            signals = replace(signals, raised=frozenset(finding.name for finding in findings))
        answer, has_failed = _ask(detector, signals)
        if has_failed:
            failed.append(detector.name)
        if isinstance(answer, Finding):
            findings.append(answer)
        elif isinstance(answer, NotEvaluated):
            not_evaluated[detector.name] = answer.why
    counting = [finding for finding in findings if _is_about_attempt(finding, signals)]
    level = sign_in_risk(
        (finding.level for finding in counting), trusted_location=signals.trusted_location is not None
    )
    return Assessment(level, tuple(findings), not_evaluated, tuple(failed), _score(signals, counting))


def _ask(detector: Detector, signals: Signals) -> tuple[Answer, bool]:
    """Return a detector's answer, and whether it failed to give one: what nobody understands is not *nothing*."""
    try:
        answer = detector.detect(signals)
    except Exception as error:  # noqa: BLE001 (a detector of the host may raise anything)
        return NotEvaluated(f"failed with {type(error).__name__}"), True
    if answer is None or isinstance(answer, Finding | NotEvaluated):
        return answer, False
    return NotEvaluated(f"answered with {type(answer).__name__}"), True


def _weighs_the_rest(detector: Detector) -> bool:
    return bool(getattr(detector, "weighs_the_rest", False))


def _is_about_attempt(finding: Finding, signals: Signals) -> bool:
    """Whether a finding makes this attempt risky. What is found of a session's cookie always does."""
    return finding.about is About.SIGN_IN or signals.attempt.kind is Kind.SESSION


def _score(signals: Signals, counting: Sequence[Finding]) -> float:
    """Return the points of all evidence, or, where that is more, of the rules and of the evidence that they leave."""
    score = points(signals.evidence, frozenset())
    by_rule = [finding for finding in counting if not finding.is_weighed]
    if by_rule:
        rules = sum(WEIGHTS[finding.level] for finding in by_rule)
        rest = points(signals.evidence, frozenset(finding.name for finding in by_rule))
        score = max(score, rules + max(rest, 0.0) if rules else rest)
    return score - (TRUSTED_LOCATION_RELIEF if signals.trusted_location is not None else 0)
