"""Evidence at a sign-in with a password."""

from idprotect.risk.attempt import Attempt
from idprotect.risk.evidence import device as devices
from idprotect.risk.evidence.failures import own_failures, surges
from idprotect.risk.evidence.habits import habits
from idprotect.risk.evidence.network import familiarity, rarity, reputation, travel
from idprotect.risk.population import Counts
from idprotect.risk.profile import Profile


def password(attempt: Attempt, profile: Profile, counts: Counts) -> dict[str, float]:
    """Return what speaks for or against an attempt with a password."""
    # What is new says little of a user of whom little is known.
    known = profile.learnt / (profile.learnt + 0.5)
    where = familiarity(attempt, profile)
    device = profile.devices.get(attempt.device or "")
    found: dict[str, float] = {f"net_{where}": known, "young": 1 - known}
    found |= reputation(attempt, profile)
    if device is not None:
        found |= devices.known_device(attempt, profile, device, where)
    else:
        found |= devices.no_device(attempt, profile, known, where)
    if where.is_elsewhere:
        found |= travel(attempt, profile.last, "travel" if device is None else "travel_known")
    found |= devices.browser(attempt, profile, known)
    found |= rarity(attempt, profile, counts)
    found |= own_failures(attempt, profile)
    found |= surges(attempt, profile, counts)
    found |= habits(attempt, profile, known)
    return found
