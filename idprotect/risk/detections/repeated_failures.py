"""A success after many consecutive failures on the same account: somebody may have guessed."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, Signals
from idprotect.risk.levels import About, RiskLevel


@dataclass(frozen=True, slots=True)
class RepeatedFailures:
    """:param threshold: this many consecutive failures before a success are suspicious."""

    name: ClassVar[str] = "repeated_failures"
    threshold: int = 5
    level: RiskLevel = RiskLevel.MEDIUM

    def detect(self, signals: Signals) -> Answer:
        """Compare the failures before this success with the threshold.

        Where the user is known, only failures from the same address count: a stranger who fails on purpose must not
        make the owner suspicious.
        """
        profile, attempt = signals.profile, signals.attempt
        is_known = signals.known_device or bool(profile.times("site", attempt.site, attempt.at))
        failures = profile.failed_at(attempt.site) if is_known else profile.in_a_row
        if failures < self.threshold:
            return None
        text = f"{failures} failures in a row before this success (threshold {self.threshold})"
        values = {"failures": failures, "threshold": self.threshold}
        if signals.is_home:
            reasons = (text, "at an address and in a browser that the user has often signed in with")
            return Finding(self.name, RiskLevel.LOW, About.SIGN_IN, reasons, values)
        return Finding(self.name, self.level, About.SIGN_IN, (text,), values)
