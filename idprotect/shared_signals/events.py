"""What is told, and in which words: our audit events as those of CAEP 1.0 and RISC 1.0."""

from collections.abc import Callable, Mapping
from typing import Any

from idprotect import sessions
from idprotect.audit import Event
from idprotect.event_types import (
    ACCOUNT_DISABLED,
    ACCOUNT_ENABLED,
    ASSURANCE_LEVEL_CHANGE,
    CREDENTIAL_CHANGE,
    CREDENTIAL_CHANGE_REQUIRED,
    RISK_LEVEL_CHANGE,
    SESSION_REVOKED,
)
from idprotect.risk.states import RiskEvent

#: What a stream can ask for; verification comes unasked.
SUPPORTED = (
    SESSION_REVOKED,
    CREDENTIAL_CHANGE,
    ASSURANCE_LEVEL_CHANGE,
    RISK_LEVEL_CHANGE,
    CREDENTIAL_CHANGE_REQUIRED,
    ACCOUNT_DISABLED,
    ACCOUNT_ENABLED,
)
#: Told to applications alone that an administrator lets know of risk.
ABOUT_RISK = frozenset({RISK_LEVEL_CHANGE})
#: About the session in which it happened, not about the person everywhere.
ABOUT_SESSION = frozenset({SESSION_REVOKED, ASSURANCE_LEVEL_CHANGE})

#: CAEP's words for credentials.
_CREDENTIALS = {"passkey": "fido2-platform", "totp": "app", "sms": "phone-sms"}
#: Reasons for which sessions end, by who had them; one that nobody is named for is a policy's.
_BY_USERS = frozenset(
    {
        "signed_out",
        "ended_by_user",
        RiskEvent.USER_REPORTED,
        RiskEvent.USER_CONFIRMED_SIGN_IN,
        RiskEvent.SECURE_PASSWORD_CHANGE,
        RiskEvent.VOLUNTARY_PASSWORD_CHANGE,
    }
)
_BY_ADMINISTRATORS = frozenset(
    {
        "revoked",
        "disabled",
        "deleted",
        "roles_changed",
        "factors_removed",
        RiskEvent.TEMPORARY_PASSWORD,
        RiskEvent.SESSIONS_REVOKED,
    }
)
Told = tuple[str, dict[str, Any]]


def of(event: Event, details: Mapping[str, Any]) -> Told | None:
    """Return event type and members for something that happened; None when nobody has to hear of it."""
    tell = _TOLD.get(event)
    return tell(details) if tell is not None else None


def session_revoked(reason: str) -> Told:
    """Return what is told of a session that ended: by whom. Why may be risk, for few to hear of."""
    if reason.startswith("admin_") or reason in _BY_ADMINISTRATORS:
        entity, words = "admin", "ended by an administrator"
    elif reason in _BY_USERS:
        entity, words = "user", "ended by the user"
    elif reason == sessions.EXPIRED:
        entity, words = "system", "expired"
    else:
        entity, words = "policy", "ended by a policy"
    return SESSION_REVOKED, {"initiating_entity": entity, "reason_admin": {"en": words}}


def _credential(change: str) -> Callable[[Mapping[str, Any]], Told]:
    def tell(details: Mapping[str, Any]) -> Told:
        method = str(details.get("method", "password"))
        members = {"credential_type": _CREDENTIALS.get(method, method), "change_type": change}
        return CREDENTIAL_CHANGE, members

    return tell


def _risk(details: Mapping[str, Any]) -> Told | None:
    level, before = _caep(details["level"]), _caep(details["before"])
    if level == before:
        return None  # its state changed, not its level
    return RISK_LEVEL_CHANGE, {"principal": "USER", "current_level": level, "previous_level": before}


def _caep(level: str) -> str:
    """Return a level in CAEP's words, which know no *none*."""
    return "LOW" if level == "none" else level.upper()


def _assurance(details: Mapping[str, Any]) -> Told | None:
    if not details.get("raised"):
        return None  # proved again
    members = {"namespace": "NIST-AAL", "current_level": "nist-aal2", "change_direction": "increase"}
    return ASSURANCE_LEVEL_CHANGE, {**members, "previous_level": "nist-aal1"}


def _user(details: Mapping[str, Any]) -> Told | None:
    told = {"disabled": ACCOUNT_DISABLED, "enabled": ACCOUNT_ENABLED}.get(str(details.get("change")))
    return (told, {}) if told is not None else None


_TOLD: Mapping[Event, Callable[[Mapping[str, Any]], Told | None]] = {
    Event.PASSWORD_CHANGED: _credential("update"),
    Event.FACTOR_ADDED: _credential("create"),
    Event.FACTOR_REMOVED: _credential("delete"),
    Event.FACTOR_DISABLED: _credential("revoke"),
    Event.MFA_PASSED: _assurance,
    Event.USER_RISK_CHANGED: _risk,
    Event.PASSWORD_REQUIRED: lambda _details: (CREDENTIAL_CHANGE_REQUIRED, {}),
    Event.PASSWORD_TEMPORARY: lambda _details: (CREDENTIAL_CHANGE_REQUIRED, {}),
    Event.USER_CHANGED: _user,
}
