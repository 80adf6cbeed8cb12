"""Judging sign-ins: what is stored and known is put before :func:`idprotect.risk.assess`, here and nowhere else.

Three statements at most, whatever is stored: the browser; the user's profile and the policies in force; the counts.
"""

import logging
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlalchemy import bindparam, select

from idprotect import address_trust, audit, clock, counts, learning, policies, user_agents
from idprotect.audit import Event
from idprotect.browser import Visitor
from idprotect.errors import EvaluationError
from idprotect.models import Device, RiskProfile, SignInFacts, User, UserFacts, run, session, table_of
from idprotect.risk import Assessment, Attempt, Kind, Network, Profile, RiskLevel, Signals, assess
from idprotect.runtime import breach_count, network_of, runtime, settings

log = logging.getLogger("idprotect.judging")

_devices = table_of(Device).c
_HOLDERS = select(_devices.user_id, _devices.browser_id).where(
    _devices.device_hash == bindparam("device_hash")
)
_users, _profiles = table_of(User).c, table_of(RiskProfile).c
_KNOWN = (
    select(policies.NEWEST.label("policy_version"), _profiles.document)
    .select_from(table_of(User).outerjoin(table_of(RiskProfile)))
    .where(_users.id == bindparam("user_id"))
)


@dataclass(frozen=True, slots=True)
class Holder:
    """The browser that holds a device cookie of ours.

    :param browser_id: None when it has no cookie, or one that nobody completed a sign-in with.
    :param familiar: the user in question completed a sign-in in it.
    """

    browser_id: str | None
    familiar: bool


def holder(visitor: Visitor, user: UserFacts | None) -> Holder:
    """Return which browser this is, and whether the user is known in it. One statement."""
    if visitor.device_hash is None:
        return Holder(None, False)
    rows = run(_HOLDERS, device_hash=visitor.device_hash).all()
    familiar = user is not None and any(row.user_id == user.id for row in rows)
    return Holder(rows[0].browser_id if rows else None, familiar)


def attempt_at(user: User | None, visitor: Visitor, browser_id: str | None, *, password_ok: bool) -> Attempt:
    """Return what is known of an attempt with a password."""
    attempt = _attempt(user.id if user is not None else None, visitor, Kind.PASSWORD)
    return replace(attempt, device=browser_id, password_ok=password_ok)


def judge(attempt: Attempt, password: str | None = None) -> Assessment:
    """Judge an attempt whose password was right. Two statements.

    :raises EvaluationError: when it could not be judged and ``IDPROTECT_DETECTOR_FAILURE`` says to refuse.
    """
    detectors = runtime().detections if attempt.kind is Kind.PASSWORD else runtime().session_detections
    profile, policy_version = _known(attempt)
    address = attempt.network.address if attempt.network else None
    signals = Signals.of(
        attempt,
        profile,
        counts.read(attempt),
        learning=learning.rules(),
        trusted_location=policies.load(policy_version).trusted_location(address),
        breach_count=breach_count(password) if password is not None else None,
    )
    return _trusted(assess(signals, detectors))


def _known(attempt: Attempt) -> tuple[Profile, int]:
    """Return what is habitual for the user, and which policies are in force. One statement."""
    row = run(_KNOWN, user_id=attempt.user).first()
    if row is None:
        return Profile(), policies.newest_version()
    return learning.read(row.document), row.policy_version or 0


def is_elsewhere(sign_in: SignInFacts, visitor: Visitor) -> bool:
    """Whether the cookie of a sign-in comes from another address or browser than it was last accepted from."""
    site = site_of(visitor)
    has_moved = bool(sign_in.site and site) and sign_in.site != site
    return has_moved or bool(sign_in.browser != browser_of(visitor.user_agent))


def session_attempt(sign_in: SignInFacts, visitor: Visitor, browser_id: str | None) -> Attempt:
    """Return what is known of the use of a session's cookie."""
    attempt = _attempt(sign_in.user_id, visitor, Kind.SESSION)
    return replace(attempt, session=sign_in.id, device=browser_id)


def site_of(visitor: Visitor) -> str:
    """Return the pseudonym of an address (IPv4, or IPv6 /64); empty when it is not known, or not judged by."""
    address, _ = _address_of(visitor)
    return _pseudonyms(address)[0] if address is not None else ""


def browser_of(user_agent: str) -> str:
    """Return the fingerprint of what the browser says it is."""
    return user_agents.read(user_agent).exact


def place_of(network: Network | None) -> str | None:
    """Return the place of an address for people to read: "Oslo, NO", no finer than a city."""
    if network is None or network.location is None:
        return None
    known = [part for part in (network.location.city, network.location.country) if part]
    return ", ".join(known) or None


def _attempt(user_id: str | None, visitor: Visitor, kind: Kind) -> Attempt:
    address, unlocated = _address_of(visitor)
    site, block = _pseudonyms(address) if address is not None else ("", "")
    return Attempt(
        at=clock.now().timestamp(),
        kind=kind,
        user=user_id,
        network=network_of(address) if address is not None else None,
        browser=user_agents.read(visitor.user_agent),
        site=site,
        block=block,
        platform_version=visitor.platform_version,
        model=visitor.model,
        unlocated=unlocated,
    )


def _address_of(visitor: Visitor) -> tuple[str | None, str]:
    """Return the address to judge by, and why there is none where one is seen."""
    why_not = address_trust.why_not(is_direct=visitor.is_direct) if visitor.ip_address is not None else ""
    return (None, why_not) if why_not else (visitor.ip_address, "")


def _pseudonyms(address: str) -> tuple[str, str]:
    return _pseudonyms_under(runtime().keys.pepper, address)


@lru_cache(maxsize=4096)
def _pseudonyms_under(_pepper: bytes, address: str) -> tuple[str, str]:
    """Return keyed hashes of address and neighbourhood, from which nobody without the key can tell them."""
    network, keyed_hash = Network(address), runtime().keys.keyed_hash
    return keyed_hash("address", network.site)[:20], keyed_hash("address", network.block)[:20]


def _trusted(assessment: Assessment) -> Assessment:
    """Return the assessment, or what a failed detector makes of it: never a lower level."""
    if not assessment.failed:
        return assessment
    log.error("detectors failed: %s", ", ".join(assessment.failed))
    audit.record(Event.RISK_EVALUATION_FAILED, actor="system", detectors=list(assessment.failed))
    if settings().detector_failure == "refuse":
        session().commit()
        raise EvaluationError("a detector failed")
    return replace(assessment, level=RiskLevel.HIGH)
