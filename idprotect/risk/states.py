"""What closes which risk, and what opens it again: the published state machine (``docs/risk.md``), one row an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from idprotect.risk.levels import RiskDetail, RiskState


class RiskEvent(StrEnum):
    """Something that a user, an administrator or the server did about risk."""

    MFA_FOR_SIGN_IN_RISK = "mfa_for_sign_in_risk"
    MFA_FOR_ANOTHER_REASON = "mfa_for_another_reason"
    SECURE_PASSWORD_CHANGE = "secure_password_change"  # noqa: S105 (a word, not a secret)
    VOLUNTARY_PASSWORD_CHANGE = "voluntary_password_change"  # noqa: S105
    SESSIONS_REVOKED = "sessions_revoked"
    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105
    USER_CONFIRMED_SIGN_IN = "user_confirmed_sign_in"
    USER_REPORTED = "user_reported"
    ADMIN_DISMISSED_USER = "admin_dismissed_user"
    ADMIN_DISMISSED_SIGN_IN = "admin_dismissed_sign_in"
    ADMIN_CONFIRMED_USER_SAFE = "admin_confirmed_user_safe"
    ADMIN_CONFIRMED_SIGN_IN_SAFE = "admin_confirmed_sign_in_safe"
    ADMIN_CONFIRMED_USER_COMPROMISED = "admin_confirmed_user_compromised"
    ADMIN_CONFIRMED_SIGN_IN_COMPROMISED = "admin_confirmed_sign_in_compromised"
    ADMIN_RESOLVED = "admin_resolved"
    ADMIN_FALSE_POSITIVE = "admin_false_positive"
    ADMIN_IGNORED = "admin_ignored"
    AGED_OUT = "aged_out"


class Closes(StrEnum):
    """Which open detections an event moves."""

    NOTHING = "nothing"
    THIS_SIGN_IN = "this_sign_in"
    THE_USERS = "the_users"
    THIS_DETECTION = "this_detection"


class Ends(StrEnum):
    """Which sessions, with their tokens, an event ends."""

    NONE = "none"
    OTHERS = "others"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table.

    :param keeps: names of detections that stay open all the same.
    :param reversible: whether an administrator may reactivate what was closed.
    :param overrules: whether it also closes what an administrator confirmed. Whoever sits in the very sign-in that was
        confirmed to be somebody else's proves nothing by a second factor.
    """

    closes: Closes
    to: RiskState
    detail: RiskDetail
    ends: Ends = Ends.NONE
    keeps: frozenset[str] = frozenset()
    reversible: bool = False
    overrules: bool = True


# A new password does not cure a device that is part of a botnet.
NOT_CURED_BY_A_PASSWORD = frozenset({"listed_ip"})

_S, _D = RiskState, RiskDetail

TRANSITIONS: Mapping[RiskEvent, Transition] = {
    RiskEvent.MFA_FOR_SIGN_IN_RISK: Transition(
        Closes.THIS_SIGN_IN, _S.REMEDIATED, _D.USER_PASSED_MFA, overrules=False
    ),
    RiskEvent.MFA_FOR_ANOTHER_REASON: Transition(
        Closes.THIS_SIGN_IN, _S.DISMISSED, _D.ASSESSED_SAFE, overrules=False
    ),
    RiskEvent.SECURE_PASSWORD_CHANGE: Transition(
        Closes.THE_USERS, _S.REMEDIATED, _D.USER_CHANGED_PASSWORD, Ends.OTHERS, NOT_CURED_BY_A_PASSWORD
    ),
    RiskEvent.VOLUNTARY_PASSWORD_CHANGE: Transition(Closes.NOTHING, _S.AT_RISK, _D.NONE, Ends.OTHERS),
    RiskEvent.SESSIONS_REVOKED: Transition(Closes.THE_USERS, _S.REMEDIATED, _D.SESSIONS_REVOKED, Ends.ALL),
    RiskEvent.TEMPORARY_PASSWORD: Transition(
        Closes.THE_USERS, _S.REMEDIATED, _D.ADMIN_TEMPORARY_PASSWORD, Ends.ALL, NOT_CURED_BY_A_PASSWORD
    ),
    RiskEvent.USER_CONFIRMED_SIGN_IN: Transition(
        Closes.THIS_SIGN_IN, _S.DISMISSED, _D.USER_CONFIRMED, overrules=False
    ),
    RiskEvent.USER_REPORTED: Transition(Closes.NOTHING, _S.AT_RISK, _D.NONE, Ends.OTHERS),
    RiskEvent.ADMIN_DISMISSED_USER: Transition(
        Closes.THE_USERS, _S.DISMISSED, _D.ADMIN_DISMISSED, reversible=True
    ),
    RiskEvent.ADMIN_DISMISSED_SIGN_IN: Transition(
        Closes.THIS_SIGN_IN, _S.DISMISSED, _D.ADMIN_DISMISSED, reversible=True
    ),
    RiskEvent.ADMIN_CONFIRMED_USER_SAFE: Transition(
        Closes.THE_USERS, _S.CONFIRMED_SAFE, _D.ADMIN_CONFIRMED_SAFE, reversible=True
    ),
    RiskEvent.ADMIN_CONFIRMED_SIGN_IN_SAFE: Transition(
        Closes.THIS_SIGN_IN, _S.CONFIRMED_SAFE, _D.ADMIN_CONFIRMED_SAFE, reversible=True
    ),
    RiskEvent.ADMIN_CONFIRMED_USER_COMPROMISED: Transition(
        Closes.NOTHING, _S.CONFIRMED_COMPROMISED, _D.ADMIN_CONFIRMED_COMPROMISED, Ends.ALL
    ),
    RiskEvent.ADMIN_CONFIRMED_SIGN_IN_COMPROMISED: Transition(
        Closes.NOTHING, _S.CONFIRMED_COMPROMISED, _D.ADMIN_CONFIRMED_COMPROMISED, Ends.ALL
    ),
    RiskEvent.ADMIN_RESOLVED: Transition(
        Closes.THIS_DETECTION, _S.REMEDIATED, _D.ADMIN_RESOLVED, reversible=True
    ),
    RiskEvent.ADMIN_FALSE_POSITIVE: Transition(
        Closes.THIS_DETECTION, _S.CONFIRMED_SAFE, _D.ADMIN_FALSE_POSITIVE, reversible=True
    ),
    RiskEvent.ADMIN_IGNORED: Transition(
        Closes.THIS_DETECTION, _S.DISMISSED, _D.ADMIN_IGNORED, reversible=True
    ),
    RiskEvent.AGED_OUT: Transition(Closes.THIS_DETECTION, _S.AGED_OUT, _D.AGED_OUT, overrules=False),
}

#: Low risk is closed when it is this old; medium and high stay until somebody closes them.
LOW_RISK_AGES_OUT_AFTER = timedelta(days=180)

#: Only detections with these names are risk of tokens, which ends with the sessions: no password is involved.
TOKEN_RISK = frozenset({"anomalous_token"})

#: Why the newest dismissal cannot be undone a second time.
UNDONE = "the newest dismissal was undone already; reactivate single detections of earlier ones"

#: What an open detection's detail is, by its state.
OPEN_DETAIL: Mapping[RiskState, RiskDetail] = {
    RiskState.AT_RISK: RiskDetail.NONE,
    RiskState.CONFIRMED_COMPROMISED: RiskDetail.ADMIN_CONFIRMED_COMPROMISED,
}

#: Details of what an administrator closed by hand, and may reactivate.
REVERSIBLE = frozenset(row.detail for row in TRANSITIONS.values() if row.reversible)


def why_not_reactivated(state: RiskState, detail: RiskDetail) -> str | None:
    """Return why a detection cannot be reactivated, None when it can."""
    if state.is_open:
        return "it is open"
    if detail not in REVERSIBLE:
        return f"it was not an administrator who closed it ({detail}): what was cured stays closed"
    return None


def why_not_undone(
    dismissed_at: datetime | None, undone_at: datetime | None, now: datetime, window: timedelta
) -> str | None:
    """Return why the newest dismissal cannot be undone, None when it can.

    :param dismissed_at: the newest one that is in force.
    :param undone_at: when one was undone the last time.
    """
    if was_undone(dismissed_at, undone_at):
        return UNDONE
    if dismissed_at is None:
        return "no dismissal by an administrator is in force"
    if now - dismissed_at > window:
        hours = window / timedelta(hours=1)
        return f"it was dismissed more than {hours:g} hours ago; reactivate single detections instead"
    return None


def was_undone(dismissed_at: datetime | None, undone_at: datetime | None) -> bool:
    """Whether the newest dismissal was undone: to undo it again would take back the one before."""
    return undone_at is not None and (dismissed_at is None or dismissed_at <= undone_at)
