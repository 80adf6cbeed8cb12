"""A success from an address that many passwords for several accounts were wrong from, shortly before."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, Signals
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.population import NOBODY, reaches


@dataclass(frozen=True, slots=True)
class SuspiciousIp:
    """:param failures: wrong passwords from one address (an IPv6 /64), halving every hour.
    :param accounts: accounts that they were for.
    """

    name: ClassVar[str] = "suspicious_ip"
    level: RiskLevel = RiskLevel.MEDIUM
    failures: float = 8.0
    accounts: float = 3.0

    def detect(self, signals: Signals) -> Answer:
        """Compare the recent failures from the address with the thresholds. The user's home is exempt."""
        attempt = signals.attempt
        if signals.network is None:
            return signals.not_located("the address is not known")
        here = signals.counts.get(("site", attempt.site), NOBODY)
        if not reaches(here.burst, self.failures) or not reaches(here.burst_accounts, self.accounts):
            return None
        if signals.is_home:
            return None
        text = (
            f"about {here.burst:.0f} wrong passwords for {here.burst_accounts:.0f} accounts came from "
            f"{signals.network.address} in the last hours"
        )
        values = {"failures": round(here.burst, 1), "accounts": round(here.burst_accounts, 1)}
        return Finding(self.name, self.level, About.SIGN_IN, (text,), values)
