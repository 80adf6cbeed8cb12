"""What is open against the users of a replay, from which the risk of each follows."""

from dataclasses import dataclass, field

from idprotect.risk import OpenSignIn, RiskLevel, highest, user_risk

EventId = int | str

#: So many open sign-ins of one user are kept; the mildest go first, and leave the level of the user as it is.
MOST_OPEN = 32


@dataclass(slots=True)
class Standing:
    """What is open against one user."""

    sign_ins: dict[EventId, OpenSignIn] = field(default_factory=dict)
    about_user: RiskLevel = RiskLevel.NONE

    def open(self, event_id: EventId, sign_in: OpenSignIn) -> None:
        """Add a sign-in at risk, or change what came of it."""
        self.sign_ins[event_id] = sign_in
        if len(self.sign_ins) > MOST_OPEN:
            mildest = min(self.sign_ins, key=lambda other: self.sign_ins[other].level)
            del self.sign_ins[mildest]

    @property
    def level(self) -> RiskLevel:
        """The user's risk, by the published table."""
        return user_risk((self.about_user,), self.sign_ins.values())


class Standings:
    """The standing of every user against whom something is open."""

    def __init__(self) -> None:
        self._of: dict[str, Standing] = {}

    def level(self, user: str) -> RiskLevel:
        """Return a user's risk now."""
        return self._of[user].level if user in self._of else RiskLevel.NONE

    def open(self, user: str, event_id: EventId, sign_in: OpenSignIn) -> None:
        """Note a sign-in at risk."""
        self._of.setdefault(user, Standing()).open(event_id, sign_in)

    def close(self, user: str, event_id: EventId) -> None:
        """Let the risk of one sign-in be void; what was found about the user stays."""
        if (standing := self._of.get(user)) is not None:
            standing.sign_ins.pop(event_id, None)

    def accuse(self, user: str, level: RiskLevel) -> None:
        """Note a detection about the user."""
        standing = self._of.setdefault(user, Standing())
        standing.about_user = highest((standing.about_user, level))
