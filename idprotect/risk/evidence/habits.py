"""Evidence from habits: the time of day, and how long the network takes."""

from math import log

from idprotect.risk.attempt import Attempt
from idprotect.risk.profile import DAY, Profile

#: Neighbouring hours count too, for nobody signs in by the clock.
NEIGHBOURS = ((-2, 0.5), (-1, 1.0), (0, 1.0), (1, 1.0), (2, 0.5))
FEWEST_SIGN_INS = 3


def habits(attempt: Attempt, profile: Profile, known: float) -> dict[str, float]:
    """Return how unusual the hour and the round trip are for this user."""
    return {"hour": known * _odd_hour(attempt, profile), "slow": known * slowness(attempt, profile)}


def slowness(attempt: Attempt, profile: Profile) -> float:
    """Return by how many e-folds the round trip is longer than usual, at most 3: there may be a proxy in between."""
    if not attempt.round_trip_ms or not profile.round_trip_ms:
        return 0.0
    return min(3.0, max(0.0, log(attempt.round_trip_ms / profile.round_trip_ms)))


def _odd_hour(attempt: Attempt, profile: Profile) -> float:
    total = sum(profile.hours)
    if total < FEWEST_SIGN_INS:
        return 0.0
    hour = int(attempt.at % DAY // 3600)
    near = sum(profile.hours[(hour + offset) % 24] * weight for offset, weight in NEIGHBOURS)
    return min(2.0, max(0.0, -log((near + 0.5) / (total + 3))))
