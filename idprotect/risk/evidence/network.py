"""Evidence about where an attempt comes from: known to the user, known to everyone, or to the operator's lists."""

from enum import StrEnum
from math import log

from idprotect.risk.attempt import Attempt
from idprotect.risk.population import NOBODY, TOTAL, Count, Counts
from idprotect.risk.profile import Point, Profile
from idprotect.risk.travel import FASTEST_KMH, speed_kmh


class Familiarity(StrEnum):
    """The finest thing about a network that the user is known for."""

    SITE = "site"
    BLOCK = "block"
    PLACE = "place"
    ASN = "asn"
    COUNTRY = "country"
    NEW = "new"
    UNKNOWN = "unknown"

    @property
    def is_elsewhere(self) -> bool:
        """Whether the user was never seen around there."""
        return self in (Familiarity.ASN, Familiarity.COUNTRY, Familiarity.NEW)


def familiarity(attempt: Attempt, profile: Profile) -> Familiarity:
    """Return how well the user is known at a network; the first match, from the finest on, wins."""
    now, network = attempt.at, attempt.network
    if network is None:
        return Familiarity.UNKNOWN
    if profile.times("site", attempt.site, now):
        return Familiarity.SITE
    if profile.times("block", attempt.block, now):
        return Familiarity.BLOCK
    if attempt.place is not None and profile.times("place", attempt.place, now):
        return Familiarity.PLACE
    if network.asn is not None and profile.times("asn", network.asn, now):
        return Familiarity.ASN
    if network.asn is None and attempt.country is None:
        return Familiarity.UNKNOWN
    if profile.learnt and not profile.knows("site"):
        return Familiarity.UNKNOWN  # the user was learnt while addresses were not known, or not judged by
    if attempt.country is not None and profile.times("country", attempt.country, now):
        return Familiarity.COUNTRY
    return Familiarity.NEW


def is_new_hosting(attempt: Attempt, profile: Profile) -> bool:
    """Whether the address is in a data centre, and the user was never seen in one."""
    is_hosting = attempt.network is not None and bool(attempt.network.hosting)
    return is_hosting and not profile.times("use", "hosting", attempt.at)


def reputation(attempt: Attempt, profile: Profile) -> dict[str, float]:
    """Return what the operator's data say of the address; less where the user goes that way habitually."""
    network, now = attempt.network, attempt.at
    if network is None:
        return {}
    hosting, mobile = bool(network.hosting), bool(network.mobile)
    return {
        "anonymous": bool(network.anonymous),
        "hosting": is_new_hosting(attempt, profile),
        "hosting_used": hosting and not is_new_hosting(attempt, profile),
        "listed": any(network.listings.values()),
        "mobile_new": mobile and not profile.times("asn", network.asn, now),
    }


def rarity(attempt: Attempt, profile: Profile, counts: Counts) -> dict[str, float]:
    """Return how unusual the network is among everyone, as far as it is new to this user."""
    total, now, network = counts.get(TOTAL, NOBODY), attempt.at, attempt.network
    found: dict[str, float] = {}
    if network is not None and network.asn is not None and not profile.times("asn", network.asn, now):
        found["asn_rare"] = _rarity(counts.get(("asn", str(network.asn)), NOBODY), total)
    if attempt.country is not None and not profile.times("country", attempt.country, now):
        found["country_rare"] = _rarity(counts.get(("country", attempt.country), NOBODY), total)
    if not profile.times("site", attempt.site, now):
        found["site_shared"] = _shared(counts.get(("site", attempt.site), NOBODY).users)
    return found


def travel(attempt: Attempt, origin: Point | None, name: str) -> dict[str, float]:
    """Return how much faster than possible somebody would have come from *origin*: 1 at an airliner's speed, at most 2.

    Softer, by another name, where an end may not be where its user is: a data centre or a mobile carrier's hub.
    """
    if origin is None:
        return {}
    here = Point.of(attempt)
    speed = speed_kmh(origin, here)
    if speed is None or speed < FASTEST_KMH / 6:
        return {}
    grade = min(1.0, speed / FASTEST_KMH) + min(1.0, max(0.0, log(speed / FASTEST_KMH)) / 2)
    is_soft = origin.hosting or here.hosting or origin.mobile or here.mobile
    return {f"{name}_soft" if is_soft else name: grade}


def _shared(users: float) -> float:
    """Return 0 for an address of one or two, 1 for one that ten users are known at: a few accounts whiten nothing."""
    return min(1.0, max(0.0, log(users / 2) / log(5))) if users > 2 else 0.0


def _rarity(count: Count, total: Count) -> float:
    """Return 0 for what everyone uses, 1 for what one in a thousand uses, or fewer."""
    share = (count.users + 0.5) / (total.users + 1)
    return min(1.0, max(0.0, -log(min(1.0, share)) / log(1000)))
