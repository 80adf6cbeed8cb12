"""What a decision is made from: one access request, as plain facts that can be stored and read back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from idprotect.risk.levels import RiskLevel

#: A country or platform nobody could tell is its own choice in a policy, never "any other".
UNKNOWN = "unknown"
PLATFORMS = frozenset({"windows", "macos", "linux", "ios", "android", "chromeos", UNKNOWN})


@dataclass(frozen=True, slots=True)
class AcceptedTerms:
    """Terms of use that the user accepted, and what it takes for that to be good enough.

    :param version: the newest that was accepted.
    :param at: when it was accepted last.
    :param required: the oldest version whose acceptance is good enough.
    :param valid_days: for how many days an acceptance is good; None: as long as the version is.
    """

    name: str
    version: int = 1
    at: datetime | None = None
    required: int = 1
    valid_days: int | None = None

    def holds(self, now: datetime) -> bool:
        """Whether nothing has to be accepted anew."""
        if self.version < self.required:
            return False
        if self.valid_days is None:
            return True
        return self.at is not None and (now - self.at).days < self.valid_days


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A signed-in user asking for one client and scope.

    :param sign_in_risk: real-time level of this sign-in, frozen when the password was found right.
    :param session_risk: how risky the session was used since: from another network or browser, and nobody proved a
        second factor after that.
    :param session_risk_at: when it was.
    :param user_risk: level of the identity now; the detections of this very sign-in are left out, because they
        are judged as ``sign_in_risk`` until something came of it.
    :param user_risk_at: when the newest detection behind ``user_risk`` was made.
    :param registered: the user has a second factor.
    :param authenticated_at: when the person last proved who they are, by any factor; None where its age does not
        matter: a token that is out is not ended by the clock.
    :param mfa_at: when a second factor was last proved in this sign-in.
    :param amr: what was proved in this sign-in (RFC 8176).
    :param strengths: those that a second factor of the user reaches.
    :param recovers_without_password: the user has no password, or the risk is none that a new one would cure.
    :param recovered_at: when a password was last changed in the secure flow (after MFA).
    :param noticed_at: when the person last acknowledged the notice about risk, in this sign-in.
    :param registration_prompted_at: when this user was first asked to register a second factor.
    :param registration_skipped: skipped in this sign-in.
    :param stopped_sign_in: an earlier sign-in of this user was stopped, and this one is trustworthy enough to ask
        whether that was its owner.
    :param vouched_for: the help desk checked who this is, and gave this very sign-in a pass.
    :param step_up: what is asked for needs a second factor of whoever has one, whatever the policies say.
    :param registering: the person is about to add a second factor.
    :param console: the administrator's console is entered: a second factor is demanded, whatever the policies say.
    :param mfa_demanded: a page of a host application is asked for that takes nobody without a second factor.
    :param risk_limit: one is asked for that takes nobody at this level of risk or above; none: it takes everybody.
    :param accepted_terms: of the terms of use that policies ask for, those that the user accepted; what is not among
        them was not accepted.
    :param consented: consent is given, or not needed for this client.
    """

    at: datetime
    user_id: str
    username: str
    client_id: str
    scopes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    enabled: bool = True
    sign_in_risk: RiskLevel = RiskLevel.NONE
    signed_in_at: datetime | None = None
    session_risk: RiskLevel = RiskLevel.NONE
    session_risk_at: datetime | None = None
    user_risk: RiskLevel = RiskLevel.NONE
    user_risk_at: datetime | None = None
    locations: frozenset[str] = frozenset()
    country: str | None = None
    platform: str | None = None
    known_device: bool = False
    registered: bool = False
    strengths: frozenset[str] = frozenset()
    authenticated_at: datetime | None = None
    amr: frozenset[str] = frozenset()
    mfa_at: datetime | None = None
    recovers_without_password: bool = False
    recovered_at: datetime | None = None
    noticed_at: datetime | None = None
    registration_prompted_at: datetime | None = None
    registration_skipped: bool = False
    temporary_password: bool = False
    stopped_sign_in: bool = False
    vouched_for: bool = False
    step_up: bool = False
    registering: bool = False
    console: bool = False
    mfa_demanded: bool = False
    risk_limit: RiskLevel = RiskLevel.NONE
    accepted_terms: tuple[AcceptedTerms, ...] = ()
    consented: bool = True

    @property
    def is_administrator(self) -> bool:
        """Whether the user administers this server."""
        return "administrator" in self.roles

    @property
    def is_risky(self) -> bool:
        """Whether this sign-in is too doubtful to add a second factor in. Low alone never stops anybody."""
        return max(self.sign_in_risk, self.session_risk) >= RiskLevel.MEDIUM

    @property
    def is_vouched_for(self) -> bool:
        """Whether the help desk's word counts: it says nothing about where the cookie turned up since."""
        return self.vouched_for and not self.session_risk

    @property
    def is_compromised(self) -> bool:
        """Whether the identity is too doubtful to add a second factor to."""
        return self.user_risk >= RiskLevel.MEDIUM

    def has_accepted(self, terms: str) -> bool:
        """Whether the user accepted terms of use in a version, and at a time, that are good enough."""
        return any(accepted.name == terms and accepted.holds(self.at) for accepted in self.accepted_terms)

    def whatever_the_time(self) -> "AccessRequest":
        """Return the facts as they count for a token that is out: what went by since does not end it."""
        terms = tuple(replace(accepted, valid_days=None) for accepted in self.accepted_terms)
        return replace(self, authenticated_at=None, accepted_terms=terms)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values, without those that are at their default."""
        return {
            field.name: _plain(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "AccessRequest":
        """Read the facts of a receipt back."""
        return cls(**{name: _READERS.get(name, _same)(value) for name, value in stored.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, RiskLevel):
        return value.label
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [{name: _plain(part) for name, part in asdict(item).items()} for item in value]
    return value


def _same(value: Any) -> Any:
    return value


def _accepted_terms(stored: Any) -> tuple[AcceptedTerms, ...]:
    """Read what was accepted; the name of terms alone says that they were, in a way that is good enough."""
    if not isinstance(stored, list):
        raise TypeError("accepted terms must be a list")
    return tuple(_accepted(item) for item in stored)


def _accepted(stored: Any) -> AcceptedTerms:
    if isinstance(stored, str):
        return AcceptedTerms(stored)
    at = stored.get("at")
    return AcceptedTerms(**{**stored, "at": datetime.fromisoformat(at) if at is not None else None})


_READERS: Mapping[str, Any] = {
    "accepted_terms": _accepted_terms,
    **dict.fromkeys(("scopes", "groups", "roles", "locations", "amr", "strengths"), frozenset),
    **dict.fromkeys(("sign_in_risk", "session_risk", "user_risk", "risk_limit"), RiskLevel.parse),
    **dict.fromkeys(
        (
            "at",
            "signed_in_at",
            "session_risk_at",
            "authenticated_at",
            "user_risk_at",
            "mfa_at",
            "recovered_at",
            "noticed_at",
            "registration_prompted_at",
        ),
        datetime.fromisoformat,
    ),
}
