"""Users as they stand now, as the facts of an ordinary sign-in: what-if, previews and guards are asked about them.

Ordinary means: without sign-in risk, with the password alone, from where the user last got in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import exists, select

from idprotect import acceptances, clock, protection, users
from idprotect.conditional_access import AccessRequest, Control, PolicySet
from idprotect.models import Authenticator, SignIn, User, UserFacts, session
from idprotect.protection import recovery
from idprotect.risk import RiskLevel
from idprotect.runtime import network_of, runtime

#: The clients of our own pages and of the console; policies can name them.
ACCOUNT, CONSOLE = "idprotect-account", "idprotect-admin"

_LATEST = (
    select(SignIn.id)
    .where(SignIn.user_id == User.id, SignIn.completed_at.is_not(None))
    .order_by(SignIn.signed_in_at.desc())
    .limit(1)
    .correlate(User)
    .scalar_subquery()
)
_REGISTERED = exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None))
_PEOPLE = select(User, _REGISTERED, SignIn).outerjoin(SignIn, SignIn.id == _LATEST).order_by(User.username)
BATCH = 500


def everybody(policies: PolicySet, client_id: str = ACCOUNT) -> Iterator[AccessRequest]:
    """Yield the enabled users, a batch at a time; not those who are simulated."""
    yield from _asking(_PEOPLE.where(User.enabled, ~User.simulated), policies, client_id)


def administrators(policies: PolicySet) -> list[AccessRequest]:
    """Return whoever could mend a mistake in the policies, entering the console."""
    ids = [user.id for user in users.administrators()]
    return list(_asking(_PEOPLE.where(User.id.in_(ids)), policies, CONSOLE))


def one(user: User, policies: PolicySet, client_id: str = ACCOUNT) -> AccessRequest:
    """Return the facts of one user."""
    return next(_asking(_PEOPLE.where(User.id == user.id), policies, client_id))


def imagined(policies: PolicySet, username: str, client_id: str = ACCOUNT, **known: Any) -> AccessRequest:
    """Return the facts of an imagined sign-in: of a user as things stand, or of one that does not exist.

    :param known: facts that are to be others, and ``ip_address``, from which country and locations follow.
    """
    user = runtime().directory.find(username)
    facts = one(user, policies, client_id) if user is not None else _nobody(username, client_id)
    if (address := known.pop("ip_address", None)) is not None:
        place = network_of(address).location
        country = known.get("country", place.country if place else None)
        known |= {"country": country, "locations": policies.locations_of(address, country)}
    for risk in ("session_risk", "user_risk"):
        if known.get(risk):
            known.setdefault(f"{risk}_at", facts.at)
    return replace(facts, **known)


def having_proved(request: AccessRequest, amr: Iterable[str]) -> AccessRequest:
    """Return the facts as they would be right after second factors were proved."""
    return replace(request, registered=True, mfa_at=request.at, amr=request.amr | {*amr, "mfa"})


def strengths(user: UserFacts, policies: PolicySet) -> frozenset[str]:
    """Return which of the strengths that policies ask for a second factor of the user reaches."""
    if not policies.strengths:
        return frozenset()
    usable = (
        Authenticator.user_id == user.id,
        Authenticator.confirmed_at.is_not(None),
        Authenticator.disabled_at.is_(None),
    )
    methods = set(session().scalars(select(Authenticator.method).where(*usable)))
    return frozenset(str(strength) for strength in policies.strengths if strength.methods & methods)


def recovers_without_password(user: UserFacts, policies: PolicySet) -> bool:
    """Whether a policy asks for remediation, and a new password would not be the cure."""
    asked = any(Control.RISK_REMEDIATION in policy.controls for policy in policies.policies)
    return asked and bool(user.risk_level) and recovery.why_not(user) is None


def _nobody(username: str, client_id: str) -> AccessRequest:
    now = clock.now()
    return AccessRequest(
        at=now,
        user_id="imagined",
        username=username,
        client_id=client_id,
        signed_in_at=now,
        authenticated_at=now,
        amr=frozenset({"pwd"}),
        console=client_id == CONSOLE,
    )


def _asking(statement: Any, policies: PolicySet, client_id: str) -> Iterator[AccessRequest]:
    rows = session().execute(statement.execution_options(yield_per=BATCH))
    for user, registered, latest in rows:
        yield _facts(
            user, bool(registered), latest or SignIn(amr=[], known_device=False), policies, client_id
        )


def _facts(
    user: User, registered: bool, latest: SignIn, policies: PolicySet, client_id: str
) -> AccessRequest:
    now = clock.now()
    level, risk_at = protection.open_risk(user.id) if user.risk_level else (RiskLevel.NONE, None)
    return AccessRequest(
        at=now,
        user_id=user.id,
        username=user.username,
        client_id=client_id,
        groups=frozenset(user.groups),
        roles=frozenset(user.roles),
        enabled=user.enabled,
        signed_in_at=now,
        authenticated_at=now,
        user_risk=level,
        user_risk_at=risk_at,
        locations=policies.locations_of(latest.ip_address, latest.country),
        country=latest.country,
        platform=latest.platform,
        known_device=latest.known_device,
        registered=registered,
        strengths=strengths(user, policies),
        recovers_without_password=recovers_without_password(user, policies),
        recovered_at=user.recovered_at,
        registration_prompted_at=user.registration_prompted_at,
        temporary_password=user.must_change_password,
        accepted_terms=acceptances.accepted(user.id, policies.terms_of_use),
        console=client_id == CONSOLE,
        amr=frozenset({"pwd"}),
    )
