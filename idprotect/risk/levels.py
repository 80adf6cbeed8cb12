"""The words of risk: levels, states, details. Names are stable for ever; people write alert rules on them."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum


class RiskLevel(IntEnum):
    """How likely it is that a sign-in, or an identity, is not in its owner's hands."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """The lower-case name used in files, rows and answers."""
        return self.name.lower()

    @classmethod
    def parse(cls, label: str) -> "RiskLevel":
        """Return the level called *label*; raise ValueError when there is none."""
        try:
            return cls[label.upper()]
        except KeyError:
            raise ValueError(f"unknown risk level {label!r}") from None


def highest(levels: Iterable[RiskLevel]) -> RiskLevel:
    """Return the highest of *levels*, none when there are none."""
    return max(levels, default=RiskLevel.NONE)


class RiskState(StrEnum):
    """Where the risk of a sign-in, a detection or a user stands."""

    NONE = "none"
    AT_RISK = "at_risk"
    CONFIRMED_COMPROMISED = "confirmed_compromised"
    REMEDIATED = "remediated"
    DISMISSED = "dismissed"
    CONFIRMED_SAFE = "confirmed_safe"
    AGED_OUT = "aged_out"

    @property
    def is_open(self) -> bool:
        """Whether the risk still counts."""
        return self in OPEN_STATES


OPEN_STATES = frozenset({RiskState.AT_RISK, RiskState.CONFIRMED_COMPROMISED})


class RiskDetail(StrEnum):
    """How a state came about."""

    NONE = "none"
    USER_PASSED_MFA = "user_passed_mfa"
    ASSESSED_SAFE = "assessed_safe"
    USER_CHANGED_PASSWORD = "user_changed_password"  # noqa: S105 (a word, not a secret)
    SESSIONS_REVOKED = "sessions_revoked"
    ADMIN_TEMPORARY_PASSWORD = "admin_temporary_password"  # noqa: S105
    USER_CONFIRMED = "user_confirmed"
    USER_REPORTED = "user_reported"
    ADMIN_DISMISSED = "admin_dismissed"
    ADMIN_CONFIRMED_SAFE = "admin_confirmed_safe"
    ADMIN_CONFIRMED_COMPROMISED = "admin_confirmed_compromised"
    ADMIN_RESOLVED = "admin_resolved"
    ADMIN_FALSE_POSITIVE = "admin_false_positive"
    ADMIN_IGNORED = "admin_ignored"
    AGED_OUT = "aged_out"


class Timing(StrEnum):
    """When a detection was made: while signing in, or later."""

    REAL_TIME = "real_time"
    OFFLINE = "offline"


class About(StrEnum):
    """What a detection says something about."""

    SIGN_IN = "sign_in"
    USER = "user"
