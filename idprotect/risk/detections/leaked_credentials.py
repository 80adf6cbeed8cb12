"""The password that was typed stands in breached-password data: the identity itself is in danger."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.levels import About, RiskLevel, Timing


@dataclass(frozen=True, slots=True)
class LeakedCredentials:
    """:param threshold: the password must have been seen at least this often."""

    name: ClassVar[str] = "leaked_credentials"
    threshold: int = 1

    def detect(self, signals: Signals) -> Answer:
        """Compare how often the password was seen in breaches with the threshold."""
        if signals.breach_count is None:
            return NotEvaluated("no breached-password data")
        if signals.breach_count < self.threshold:
            return None
        return Finding(
            self.name,
            RiskLevel.HIGH,
            About.USER,
            (f"the password typed stands in breached-password data, seen {signals.breach_count} times",),
            {"seen": signals.breach_count, "source": "breached_passwords"},
        )


def leaked_pair(source: str) -> Finding:
    """Return the finding for an imported user name and password that match the stored hash."""
    return Finding(
        LeakedCredentials.name,
        RiskLevel.HIGH,
        About.USER,
        (f"the current password was found in a leak imported from {source}",),
        {"source": source},
        Timing.OFFLINE,
    )
