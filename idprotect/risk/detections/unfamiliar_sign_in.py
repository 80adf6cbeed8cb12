"""A sign-in unlike the user's own: network, place, device, browser, time, by degree.

All evidence that no other detection accounts for adds up here (:mod:`idprotect.risk.model`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.attempt import in_words
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.model import absolute, contributions, level_of
from idprotect.risk.weights import WEIGHTS

#: Reasons shown; what weighs less than this (nats) is left out.
LEAST_SHOWN = 0.2
MOST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class UnfamiliarSignIn:
    """:param shift: nats added to every sum: above 0 stricter, below 0 more lenient.
    :param absolute: while a user is being learnt, what does not rest on habits must weigh at least so much (nats).
    """

    name: ClassVar[str] = "unfamiliar_sign_in"
    weighs_the_rest: ClassVar[bool] = True
    shift: float = 0.0
    absolute: float = 0.7

    def detect(self, signals: Signals) -> Answer:
        """Add up the evidence; while the user is being learnt, only if something else than unfamiliarity speaks."""
        learning = signals.learning.reason(signals.profile, signals.attempt.at)
        if learning and absolute(signals.evidence) < self.absolute:
            return NotEvaluated(learning)
        parts = contributions(signals.evidence, signals.raised)
        level = level_of(sum(parts.values()) + self.shift)
        if level is RiskLevel.NONE:
            return None
        reasons = (*_weighed(parts), *_properties(signals))
        shown = {name: round(nats, 2) for name, nats in parts.items()}
        return Finding(self.name, level, About.SIGN_IN, reasons, {"nats": shown}, is_weighed=True)


def _weighed(parts: dict[str, float]) -> Iterator[str]:
    """Return what weighed most, heaviest first."""
    heaviest = sorted(parts.items(), key=lambda part: -abs(part[1]))[:MOST_SHOWN]
    for name, nats in heaviest:
        if name in WEIGHTS and abs(nats) >= LEAST_SHOWN:
            yield f"{WEIGHTS[name].means} ({nats:+.1f})"


def _properties(signals: Signals) -> Iterator[str]:
    """Return each property with how often it was seen before."""
    attempt, profile, now = signals.attempt, signals.profile, signals.attempt.at
    network = attempt.network
    known: list[tuple[str, object, str, object]] = [
        ("address", network.address if network else None, "site", attempt.site),
        ("network", network.asn and f"AS{network.asn} {network.organisation or ''}".strip() if network else None, "asn",
         network.asn if network else None),
        ("country", attempt.country, "country", attempt.country),
        ("browser", in_words(attempt.browser.name), "browser", attempt.browser.name),
    ]  # fmt: skip
    for what, shown, kind, value in known:
        if shown:
            yield f"{what} {shown}: {_often(profile.times(kind, value, now))}"
    yield "device: known by its cookie" if signals.known_device else "device: not known"
    yield f"compared with {profile.learnt} earlier sign-ins"


def _often(times: int) -> str:
    return f"seen {times} times before" if times > 1 else "seen once before" if times else "never seen before"
