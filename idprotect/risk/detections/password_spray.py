"""A success inside a spray: passwords tried over many accounts, also slowly and from many addresses."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.evidence.failures import surge
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.population import NOBODY, TOTAL, Count, reaches


@dataclass(frozen=True, slots=True)
class PasswordSpray:
    """:param accounts: accounts that failed from the same address, or with the same network and browser; halving
        every 7 days.
    :param ratio: failing accounts for each success there.
    :param surge: how far the network *and* the browser must exceed everyone's failures, in e-folds.
    """

    name: ClassVar[str] = "password_spray"
    level: RiskLevel = RiskLevel.HIGH
    accounts: float = 6.0
    ratio: float = 4.0
    surge: float = 1.4

    def detect(self, signals: Signals) -> Answer:
        """Look at the failures of others from the same address, or the same network and browser."""
        attempt, profile, counts = signals.attempt, signals.profile, signals.counts
        if signals.network is None:
            return signals.not_located("the address is not known")
        if profile.times("site", attempt.site, attempt.at) or signals.known_device:
            return None
        site = counts.get(("site", attempt.site), NOBODY)
        if self._is_spray(site):
            return self._finding(site, f"from {signals.network.address}", "address")
        return self._campaign(signals)

    def _campaign(self, signals: Signals) -> Answer:
        """Many addresses of one network, one tool: the address says nothing, both together do."""
        network, browser = signals.network, signals.attempt.browser
        if network is None or network.asn is None:
            return NotEvaluated("the network is not known")
        key = ("wave", f"{network.asn} {browser.exact}")
        wave, total = signals.counts.get(key, NOBODY), signals.counts.get(TOTAL, NOBODY)
        if not self._is_spray(wave) or surge(wave, total) < self.surge:
            return None
        return self._finding(wave, f"from AS{network.asn} with this very browser", "network_and_browser")

    def _is_spray(self, count: Count) -> bool:
        return reaches(count.accounts, self.accounts) and count.accounts >= self.ratio * (count.ok + 0.5)

    def _finding(self, count: Count, whence: str, by: str) -> Finding:
        text = f"about {count.accounts:.0f} accounts failed {whence} lately, with {count.ok:.0f} successes"
        values = {"accounts": round(count.accounts, 1), "successes": round(count.ok, 1), "by": by}
        return Finding(self.name, self.level, About.SIGN_IN, (text,), values)
