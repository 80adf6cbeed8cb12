"""A sign-in from an address on one of the operator's other lists: a botnet, threat intelligence."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.levels import About, RiskLevel


@dataclass(frozen=True, slots=True)
class ListedIp:
    """One list. A server has one detector for each of its lists, in the place of the one without a list.

    :param address_list: the name of the list to ask; empty: the operator has none.
    :param level: how risky a listing is.
    """

    name: ClassVar[str] = "listed_ip"
    address_list: str = ""
    level: RiskLevel = RiskLevel.LOW

    def detect(self, signals: Signals) -> Answer:
        """Say whether the address is listed; without an address or a list, that nobody looked."""
        if not self.address_list:
            return NotEvaluated("there is no address list")
        if signals.network is None:
            return signals.not_located("the address is not known")
        address = signals.network.address
        listed = signals.network.listings.get(self.address_list)
        if listed is None:
            return NotEvaluated(f"address list {self.address_list!r} cannot tell: it is missing or stale")
        if not listed:
            return None
        return Finding(
            self.name,
            self.level,
            About.SIGN_IN,
            (f"{address} is on the list {self.address_list!r}",),
            {"ip_address": address, "list": self.address_list},
        )
