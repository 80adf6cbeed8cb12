"""Distance and speed between two places on Earth, with what is not known about either taken off."""

from math import asin, cos, radians, sin, sqrt

from idprotect.risk.profile import Point

EARTH_RADIUS_KM = 6371.0
#: An airliner, with the way to and from the airport (km/h).
FASTEST_KMH = 900.0
#: Location data are wrong by so much even where they claim to be exact.
SLACK_KM = 100.0
#: Two sign-ins within one moment were not that fast: clocks and networks take time (hours).
SHORTEST_HOURS = 0.05


def kilometres(first: Point, second: Point) -> float | None:
    """Return the great-circle distance (haversine formula); None when a place is not known."""
    if (
        first.latitude is None
        or first.longitude is None
        or second.latitude is None
        or second.longitude is None
    ):
        return None
    lat1, lat2 = radians(first.latitude), radians(second.latitude)
    half_lat, half_lon = (lat2 - lat1) / 2, radians(second.longitude - first.longitude) / 2
    chord = sin(half_lat) ** 2 + cos(lat1) * cos(lat2) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))


def hours(first: Point, second: Point) -> float:
    """Return the time between two points; the order in which two workers noticed them does not matter."""
    return max(abs(second.at - first.at) / 3600, SHORTEST_HOURS)


def speed_kmh(first: Point, second: Point) -> float | None:
    """Return the least speed at which somebody got from one point to the other; None when a place is not known.

    The distance is shortened by the accuracy radius of both locations and by :data:`SLACK_KM`.
    """
    distance = kilometres(first, second)
    if distance is None:
        return None
    distance -= SLACK_KM + (first.accuracy_km or 0) + (second.accuracy_km or 0)
    return max(0.0, distance) / hours(first, second)
