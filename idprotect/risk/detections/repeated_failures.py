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
        """Compare the failures before this success with the threshold."""
        if signals.failures < self.threshold:
            return None
        return Finding(
            self.name,
            self.level,
            About.SIGN_IN,
            (f"{signals.failures} failures in a row before this success (threshold {self.threshold})",),
            {"failures": signals.failures, "threshold": self.threshold},
        )
