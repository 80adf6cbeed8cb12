"""Plain words for what the provider tells unasked: what happened, to whom, when."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idprotect import signals_receiver as types
from idprotect.signals_receiver import SecurityEvent

from .words import moment

Members = Mapping[str, Any]


@dataclass(frozen=True)
class Heard:
    """One event as it is shown.

    :ivar kind: its name in the protocol.
    :ivar happened_at: seconds since 1970.
    """

    kind: str
    who: str
    what: str
    happened_at: float

    @property
    def when(self) -> str:
        """The moment, and how long ago it was."""
        return moment(self.happened_at)


def of_signal(event: SecurityEvent, who: str) -> Heard:
    """Put a security event into words."""
    about = "Northwind Notes" if event.type == types.VERIFICATION else who
    at = event.members.get("event_timestamp", event.claims.get("iat"))
    return Heard(event.type.rsplit("/", 1)[-1], about, EVENTS[event.type](event.members), _seconds(at))


def of_logout(claims: Members, who: str, stays: int) -> Heard:
    """Put a logout token into words."""
    here = {0: "No stay here was open any more", 1: "We ended the stay here"}.get(
        stays, f"We ended {stays} stays here"
    )
    what = f"The sign-in at the service has ended. {here}."
    return Heard("logout token", who, what, _seconds(claims.get("iat")))


def _session_revoked(members: Members) -> str:
    reason = members.get("reason_admin")
    text = reason.get("en") if isinstance(reason, dict) else None
    return f"A session at the service is over: {text}." if text else "A session at the service is over."


def _credential_change(members: Members) -> str:
    what = _CREDENTIALS.get(str(members.get("credential_type")), "Another way to sign in")
    return f"{what} was {_CHANGES.get(str(members.get('change_type')), 'changed')}."


def _assurance(members: Members) -> str:
    if members.get("change_direction") == "increase":
        return "Signed in more strongly: a second factor was proved."
    return "The sign-in counts for less than before."


def _risk(members: Members) -> str:
    now, before = (
        _LEVELS.get(str(members.get(f"{which}_level")), "unknown") for which in ("current", "previous")
    )
    return f"The risk that somebody else has the account is {now} now; it was {before}."


_CREDENTIALS = {
    "password": "The password",
    "app": "An authenticator app",
    "phone-sms": "A phone for text messages",
}
_CHANGES = {"create": "added", "update": "changed", "delete": "removed", "revoke": "withdrawn"}
#: CAEP knows no level of none, so low may be that.
_LEVELS = {"LOW": "low or none", "MEDIUM": "medium", "HIGH": "high"}

EVENTS: Mapping[str, Callable[[Members], str]] = {
    types.SESSION_REVOKED: _session_revoked,
    types.CREDENTIAL_CHANGE: _credential_change,
    types.ASSURANCE_LEVEL_CHANGE: _assurance,
    types.RISK_LEVEL_CHANGE: _risk,
    types.CREDENTIAL_CHANGE_REQUIRED: lambda _members: "Has to choose a new password before going on.",
    types.ACCOUNT_DISABLED: lambda _members: "The account was closed.",
    types.ACCOUNT_ENABLED: lambda _members: "The account is open again.",
    types.VERIFICATION: lambda _members: "A trial event came through: we hear what the service says.",
}


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else time.time()
