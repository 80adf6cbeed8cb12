"""User risk: the likelihood that an identity is compromised, as a pure function of what is open."""

from collections.abc import Iterable
from dataclasses import dataclass

from idprotect.risk.levels import RiskLevel, highest


@dataclass(frozen=True, slots=True)
class OpenSignIn:
    """A sign-in whose risk is open.

    :param level: its aggregated level.
    :param completed: whether it ended with access; otherwise it was stopped.
    """

    level: RiskLevel
    completed: bool


#: The published table, highest row first; the first row that holds gives the level.
USER_RISK_TABLE: tuple[tuple[str, str], ...] = (
    ("a detection about the user is open", "its own level"),
    ("a high sign-in completed without mitigation", "high"),
    ("a high sign-in was stopped", "medium"),
    ("two medium sign-ins", "medium"),
    ("one medium sign-in", "low"),
    ("three low sign-ins", "low"),
)


def user_risk(user_levels: Iterable[RiskLevel], sign_ins: Iterable[OpenSignIn]) -> RiskLevel:
    """Return the user's level.

    :param user_levels: the levels of the open detections about the user; each counts at its own level.
    :param sign_ins: the sign-ins with open detections; each counts by what came of it.
    """
    return max(highest(user_levels), _share_of_sign_ins(list(sign_ins)))


def _share_of_sign_ins(sign_ins: list[OpenSignIn]) -> RiskLevel:
    high = [sign_in for sign_in in sign_ins if sign_in.level is RiskLevel.HIGH]
    mediums = sum(sign_in.level is RiskLevel.MEDIUM for sign_in in sign_ins)
    lows = sum(sign_in.level is RiskLevel.LOW for sign_in in sign_ins)
    if any(sign_in.completed for sign_in in high):
        return RiskLevel.HIGH
    if high or mediums >= 2:
        return RiskLevel.MEDIUM
    if mediums or lows >= 3:
        return RiskLevel.LOW
    return RiskLevel.NONE
