"""A sign-in from an address on the operator's list of anonymisers (Tor exits, VPN and proxy ranges)."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.levels import About, RiskLevel


@dataclass(frozen=True, slots=True)
class AnonymousIp:
    """:param address_list: the name of the list to ask."""

    name: ClassVar[str] = "anonymous_ip"
    address_list: str = "anonymous"
    level: RiskLevel = RiskLevel.MEDIUM

    def detect(self, signals: Signals) -> Answer:
        """Say whether the address is listed; without an address or a list, that nobody looked."""
        if signals.ip_address is None:
            return NotEvaluated("the address is not known")
        listed = signals.listings.get(self.address_list)
        if listed is None:
            return NotEvaluated(f"address list {self.address_list!r} is not loaded")
        if not listed:
            return None
        return Finding(
            self.name,
            self.level,
            About.SIGN_IN,
            (f"{signals.ip_address} is on the list of anonymisers {self.address_list!r}",),
            {"ip_address": signals.ip_address, "list": self.address_list},
        )
