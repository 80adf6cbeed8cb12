"""Distance and speed, against distances that anybody can look up (great circle, on a sphere of 6,371 km)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.risk.profile import Point
from idprotect.risk.travel import EARTH_RADIUS_KM, SHORTEST_HOURS, hours, kilometres, speed_kmh

HALF_ROUND = 3.141592653589793 * EARTH_RADIUS_KM

points = st.builds(
    Point,
    st.floats(0, 4e9),
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.none() | st.floats(0, 2000),
)


def at(latitude: float, longitude: float, time: float = 0.0, accuracy_km: float | None = None) -> Point:
    return Point(time, latitude, longitude, accuracy_km)


@pytest.mark.parametrize(
    ("first", "second", "km"),
    [
        (at(40.6413, -73.7781), at(51.4700, -0.4543), 5540),
        (at(37.6189, -122.3750), at(35.5494, 139.7798), 8272),
        (at(-33.9399, 151.1753), at(51.4700, -0.4543), 17016),
        (at(52.5200, 13.4050), at(48.1351, 11.5820), 504),
        (at(0, 179.5), at(0, -179.5), 111.2),
        (at(89.0, 0), at(89.0, 180), 222.4),
        (at(90, 17), at(90, -122), 0),
        (at(90, 0), at(-90, 0), HALF_ROUND),
        (at(0, 0), at(0, 180), HALF_ROUND),
        (at(12.5, 77.5), at(12.5, 77.5), 0),
    ],
    ids=[
        "New York JFK - London Heathrow",
        "San Francisco - Tokyo Haneda",
        "Sydney - London Heathrow",
        "Berlin - Munich",
        "one degree across the date line",
        "two degrees across the pole",
        "the pole has one place and every longitude",
        "pole to pole",
        "half round the equator",
        "the same place",
    ],
)
def test_distances_are_the_known_ones(first: Point, second: Point, km: float) -> None:
    """F006: to a quarter of a percent, which is what a sphere can do."""
    assert kilometres(first, second) == pytest.approx(km, rel=0.0025, abs=0.1)


@given(points, points)
def test_there_is_as_far_as_back_and_nothing_is_farther_than_half_round(first: Point, second: Point) -> None:
    there, back = kilometres(first, second), kilometres(second, first)
    assert there == pytest.approx(back)
    assert 0 <= (there or 0) <= HALF_ROUND + 0.001


@given(points, points)
def test_what_is_not_known_makes_nobody_faster(first: Point, second: Point) -> None:
    """F007: the speed is the least one that both locations allow, and never negative."""
    speed = speed_kmh(first, second)
    assert speed is not None
    assert 0 <= speed <= (kilometres(first, second) or 0) / hours(first, second)


@pytest.mark.parametrize("unknown", [Point(0.0), Point(0.0, 59.0, None), Point(0.0, None, 10.0)])
def test_without_a_place_there_is_no_distance(unknown: Point) -> None:
    """D16."""
    for pair in ((unknown, at(0, 0)), (at(0, 0), unknown)):
        assert kilometres(*pair) is None
        assert speed_kmh(*pair) is None


def test_the_order_of_events_does_not_matter_and_a_moment_is_three_minutes() -> None:
    assert hours(at(0, 0, 0), at(0, 0, 7200)) == hours(at(0, 0, 7200), at(0, 0, 0)) == 2
    assert hours(at(0, 0, 5), at(0, 0, 5)) == SHORTEST_HOURS
