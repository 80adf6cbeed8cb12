"""A sign-in from an address on the operator's list of anonymisers (Tor exits, VPN and proxy ranges)."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.levels import About, RiskLevel


@dataclass(frozen=True, slots=True)
class AnonymousIp:
    """:param level: how risky an anonymiser is; at the user's home it is low, for such lists grow stale."""

    name: ClassVar[str] = "anonymous_ip"
    level: RiskLevel = RiskLevel.MEDIUM

    def detect(self, signals: Signals) -> Answer:
        """Say whether the address is listed; without an address or a list, that nobody looked."""
        if signals.network is None:
            return signals.not_located("the address is not known")
        if signals.network.anonymous is None:
            return NotEvaluated("no list of anonymisers is loaded")
        if not signals.network.anonymous:
            return None
        address = signals.network.address
        text = f"{address} is on the list of anonymisers"
        if signals.is_home:
            reasons = (text, "the user has often signed in there with this browser")
            return Finding(self.name, RiskLevel.LOW, About.SIGN_IN, reasons, {"ip_address": address})
        return Finding(self.name, self.level, About.SIGN_IN, (text,), {"ip_address": address})
