"""Evidence when the cookie of a session is presented: is it still the browser that signed in?"""

from idprotect.risk.attempt import Attempt
from idprotect.risk.evidence.device import hints_are_gone, is_downgrade
from idprotect.risk.evidence.failures import surges
from idprotect.risk.evidence.habits import slowness
from idprotect.risk.evidence.network import familiarity, rarity, reputation, travel
from idprotect.risk.population import Counts
from idprotect.risk.profile import Device, Profile


def session(attempt: Attempt, profile: Profile, counts: Counts) -> dict[str, float]:
    """Return what speaks for or against an attempt with a session's cookie."""
    former = profile.sessions.get(attempt.session or "")
    if former is None:
        where = familiarity(attempt, profile)
        return _named({f"net_{where}": 1.0, **reputation(attempt, profile)})
    found = _browser(attempt, former)
    if former.site == attempt.site:
        return _named({"same_site": 1.0, **found})
    return _named(found | _moved(attempt, profile, former, counts))


def _moved(attempt: Attempt, profile: Profile, former: Device, counts: Counts) -> dict[str, float]:
    where = familiarity(attempt, profile)
    found: dict[str, float] = {f"net_{where}": 1.0, "slow": slowness(attempt, profile)}
    found |= reputation(attempt, profile)
    found |= rarity(attempt, profile, counts)
    found |= surges(attempt, profile, counts)
    if where.is_elsewhere:
        found |= travel(attempt, former.point, "travel")
    return found


def _browser(attempt: Attempt, former: Device) -> dict[str, float]:
    browser = attempt.browser
    models = former.model, attempt.model
    return {
        "system": former.system != browser.system or former.kind != browser.kind,
        "family": former.system == browser.system and former.family != browser.family,
        "downgrade": is_downgrade(former, attempt),
        "model": None not in models and models[0] != models[1],
        "hints_gone": hints_are_gone(former, attempt),
        "cookie_gone": former.device is not None and former.device != attempt.device,
    }


def _named(found: dict[str, float]) -> dict[str, float]:
    return {f"session_{name}": value for name, value in found.items()}
