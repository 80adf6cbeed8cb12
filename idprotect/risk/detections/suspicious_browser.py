"""One device signs in several accounts, from several countries."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, Signals
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.population import NOBODY, reaches


@dataclass(frozen=True, slots=True)
class SuspiciousBrowser:
    """:param accounts: accounts signed in with one device cookie, this one included, halving every 7 days."""

    name: ClassVar[str] = "suspicious_browser"
    level: RiskLevel = RiskLevel.MEDIUM
    accounts: float = 3.0

    def detect(self, signals: Signals) -> Answer:
        """Count the other accounts that this device signed in, and those of them in this country."""
        attempt, counts = signals.attempt, signals.counts
        if attempt.device is None:
            return None
        if attempt.country is None:
            return signals.not_located("the country is not known")
        everywhere = counts.get(("device", attempt.device), NOBODY).users
        here = counts.get(("device_country", f"{attempt.device} {attempt.country}"), NOBODY).users
        accounts = everywhere + (not signals.known_device)
        if not reaches(accounts, self.accounts) or not reaches(everywhere - here, 1):
            return None
        text = f"this browser signed in about {accounts:.0f} accounts, and not only from {attempt.country}"
        values = {"accounts": round(accounts, 1), "in_this_country": round(here, 1)}
        return Finding(self.name, self.level, About.SIGN_IN, (text,), values)
