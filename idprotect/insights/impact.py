"""Whom a change of policies would hit now, if everybody signed in as usual."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from idprotect.conditional_access import AccessRequest, PolicySet, evaluate


@dataclass(frozen=True, slots=True)
class Hit:
    """One user to whom something else would happen."""

    username: str
    before: str
    after: str
    at_risk: bool
    registered: bool
    administrator: bool

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "user": self.username,
            "before": self.before,
            "after": self.after,
            "at_risk": self.at_risk,
            "has_second_factor": self.registered,
            "administrator": self.administrator,
        }


@dataclass
class Impact:
    """Everybody who would be hit; names of administrators always, of others the first *most*."""

    most: int = 50
    users: int = 0
    hit: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    at_risk: int = 0
    unregistered: int = 0
    administrators: list[str] = field(default_factory=list)
    examples: list[Hit] = field(default_factory=list)

    def add(self, hit: Hit) -> None:
        """Count one user."""
        self.hit += 1
        self.outcomes[hit.before, hit.after] += 1
        self.at_risk += hit.at_risk
        self.unregistered += not hit.registered
        if hit.administrator:
            self.administrators.append(hit.username)
        if len(self.examples) < self.most:
            self.examples.append(hit)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "users": self.users,
            "hit": self.hit,
            "outcomes": [
                {"before": before, "after": after, "users": number}
                for (before, after), number in self.outcomes.most_common()
            ],
            "at_risk_already": self.at_risk,
            "without_second_factor": self.unregistered,
            "administrators": self.administrators,
            "examples": [hit.to_dict() for hit in self.examples],
        }


def impact(before: PolicySet, after: PolicySet, people: Iterable[AccessRequest], most: int = 50) -> Impact:
    """Compare two sets of policies for an ordinary sign-in of each user.

    :param people: see :mod:`idprotect.people`; in the locations of *after*.
    """
    found = Impact(most)
    for who in people:
        found.users += 1
        old, new = evaluate(before, who).outcome, evaluate(after, who).outcome
        if old != new:
            found.add(Hit(who.username, old, new, bool(who.user_risk), who.registered, who.is_administrator))
    return found
