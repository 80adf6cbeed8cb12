"""A country that is new to the user, and that the user's organisation does not sign in from."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.population import NOBODY, TOTAL


@dataclass(frozen=True, slots=True)
class NewCountry:
    """:param share: a country that this share of the organisation's users is known in is the organisation's.
    :param users: of fewer users altogether nothing can be said of the organisation.
    """

    name: ClassVar[str] = "new_country"
    level: RiskLevel = RiskLevel.MEDIUM
    share: float = 0.005
    users: float = 5.0

    def detect(self, signals: Signals) -> Answer:
        """Compare the country with the user's, and with everyone's."""
        attempt, country = signals.attempt, signals.attempt.country
        if country is None:
            return signals.not_located("the country is not known")
        if learning := signals.learning.reason(signals.profile, attempt.at):
            return NotEvaluated(learning)
        if signals.profile.times("country", country, attempt.at):
            return None
        if signals.profile.learnt and not signals.profile.knows("country"):
            return NotEvaluated("no country of the user's is known yet")
        here, all_users = (
            signals.counts.get(("country", country), NOBODY).users,
            signals.counts.get(TOTAL, NOBODY).users,
        )
        if all_users < self.users:
            return NotEvaluated("too few users are known to tell where the organisation signs in from")
        if here >= max(1.0, self.share * all_users):
            return None
        reasons = (
            f"{country} is new to the user",
            f"about {here:.0f} of {all_users:.0f} users are known there",
        )
        values = {"country": country, "users_there": round(here, 1), "users": round(all_users, 1)}
        return Finding(self.name, self.level, About.SIGN_IN, reasons, values)
