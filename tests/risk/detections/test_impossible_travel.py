"""Worked examples: two sign-ins of Ada, with kilometres, hours and speed."""

from typing import Any

import pytest

from idprotect.risk import About, Count, Finding, Location, NotEvaluated, Profile, RiskLevel
from idprotect.risk.detections.impossible_travel import ImpossibleTravel
from tests.risk.examples import (
    AT,
    BERGEN,
    FIREFOX,
    HOUR,
    LAPTOP,
    LONDON,
    OSLO,
    SYDNEY,
    ada,
    attempt,
    signals,
    stranger,
)


def answer(place: Location, hours: float, profile: Profile | None = None, **more: Any) -> Any:
    """Return the answer to a sign-in somewhere, so many hours after Ada's in Oslo."""
    before = profile if profile is not None else ada(until=AT - hours * HOUR)
    return ImpossibleTravel().detect(signals(stranger(place=place, **more), before))


def test_sydney_half_an_hour_after_oslo_is_high_with_every_number_in_the_reason() -> None:
    """F006, F024: 15,949 km less 120 km of doubt, in half an hour."""
    finding = answer(SYDNEY, 0.5)
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level, finding.about) == (
        "impossible_travel",
        RiskLevel.HIGH,
        About.SIGN_IN,
    )
    text, device = finding.reasons
    assert text.startswith("15,949 km from NO to AU in 0.5 h: at least 31,659 km/h")
    assert text.endswith("nobody travels faster than 900 km/h")
    assert device == "the device is new"
    assert finding.evidence == {
        "from": "NO",
        "to": "AU",
        "km": 15949,
        "hours": 0.5,
        "kmh": 31659,
        "fastest_kmh": 900.0,
    }


def test_with_a_known_device_it_is_medium() -> None:
    """2.1: a known device damps it. Her laptop may be behind a VPN that nobody has listed."""
    finding = answer(SYDNEY, 0.5, device=LAPTOP, browser=FIREFOX)
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.MEDIUM
    assert finding.reasons[1] == "the device is known"


@pytest.mark.parametrize(("hours", "found"), [(17.5, True), (17.7, False), (24, False)])
def test_sydney_is_within_reach_after_some_18_hours(hours: float, found: bool) -> None:
    """15,949 - 120 km at 900 km/h take 17.6 hours."""
    assert isinstance(answer(SYDNEY, hours), Finding) is found


@pytest.mark.parametrize(("hours", "found"), [(1.1, True), (1.2, False)])
def test_london_is_within_reach_after_some_70_minutes(hours: float, found: bool) -> None:
    """1,154 - 120 km at 900 km/h take 1.15 hours."""
    assert isinstance(answer(LONDON, hours), Finding) is found


@pytest.mark.parametrize("minutes", [0, 1, 30])
def test_bergen_is_never_far(minutes: float) -> None:
    """305 km are nearer than 500, whatever the speed: address data are no better than that."""
    assert answer(BERGEN, minutes / 60) is None


def test_the_radius_of_accuracy_is_taken_off_at_both_ends() -> None:
    """F007: 1,154 km less 100, 10 and 200 km leave 844, so 57 minutes are enough instead of 70."""
    near, coarse = answer(LONDON, 1.0), Location("GB", "London", 51.5074, -0.1278, 200.0)
    assert isinstance(near, Finding)
    assert answer(coarse, 1.0) is None
    assert answer(coarse, 0.9) is not None


def test_a_country_wide_radius_is_not_evaluated() -> None:
    """F007, D16."""
    coarse = Location("AU", None, -25.0, 134.0, 1000.0)
    assert answer(coarse, 0.5) == NotEvaluated("a location is too coarse")


def test_the_first_sign_in_is_not_evaluated() -> None:
    """D16."""
    assert answer(SYDNEY, 0.5, Profile()) == NotEvaluated("there is no earlier sign-in to compare with")


@pytest.mark.parametrize("place", [Location("AU"), None])
def test_an_unknown_place_is_not_evaluated(place: Location | None) -> None:
    """D16: at either end."""
    assert ImpossibleTravel().detect(signals(stranger(place=place))) == NotEvaluated("a place is not known")
    before = Profile()
    before.learn(attempt(AT - HOUR, place=place), signals().learning, None, None)
    assert answer(SYDNEY, 0.5, before) == NotEvaluated("a place is not known")


@pytest.mark.parametrize(("colleagues", "found"), [(0, True), (2.4, True), (2.5, False), (200, False)])
def test_an_egress_that_colleagues_share_is_no_place(colleagues: float, found: bool) -> None:
    """F007: three users were at the address this week, so it is the company's VPN."""
    there = stranger(place=SYDNEY)
    counts = {("site", there.site): Count(AT, users=colleagues)}
    assert (
        isinstance(ImpossibleTravel().detect(signals(there, ada(until=AT - HOUR), counts)), Finding) is found
    )


@pytest.mark.parametrize("use", ["hosting", "mobile"])
def test_in_a_data_centre_or_at_a_carriers_hub_nobody_is(use: str) -> None:
    """F007: a VPN's exit, or a phone whose address is announced a thousand kilometres away; at either end."""
    assert answer(SYDNEY, 0.5, network={use: True}) is None
    before = Profile()
    before.learn(attempt(AT - HOUR, network={use: True}), signals().learning, None, None)
    assert answer(SYDNEY, 0.5, before) is None


def test_a_place_where_the_user_has_been_is_no_journey() -> None:
    """Ada works in London through a provider there: her address or her place is enough."""
    profile = ada(until=AT - HOUR)
    profile.confirm(stranger(AT - 9 * HOUR))
    assert answer(LONDON, 1.0, profile) is None
    assert answer(LONDON, 1.0, profile, address="203.0.113.77") is None
    assert isinstance(answer(LONDON, 1.0, profile, address="203.0.113.77", asn=64999), Finding)


def test_two_workers_that_notice_events_the_other_way_round_find_the_same() -> None:
    """The later event was learnt first: the hours between them are what counts."""
    assert isinstance(answer(SYDNEY, -0.5), Finding)
    assert answer(SYDNEY, -24) is None


def test_the_same_place_at_the_same_moment_is_no_journey() -> None:
    assert answer(OSLO, 0) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Location("FJ", "Suva", -18.14, 178.44, 10), Location("WS", "Apia", -13.83, -171.76, 10)),
        (Location("GL", None, 89.5, 0.0, 10), Location("GL", None, 89.5, 180.0, 10)),
    ],
    ids=["across the date line, 1,144 km", "across the pole, 111 km"],
)
def test_date_line_and_poles_are_no_detour(first: Location, second: Location) -> None:
    """In two hours: 350 degrees of longitude would be 35,000 km."""
    before = Profile()
    before.learn(attempt(AT - 2 * HOUR, place=first), signals().learning, None, None)
    assert answer(second, 2, before) is None


def test_the_operator_chooses_speed_and_distance() -> None:
    """F025: 250 km/h where nobody flies; 100 km are far."""
    before = ada(until=AT - HOUR)
    there = signals(stranger(place=BERGEN), before)
    assert ImpossibleTravel(fastest_kmh=150).detect(there) is None
    finding = ImpossibleTravel(fastest_kmh=150, least_km=100).detect(there)
    assert isinstance(finding, Finding)
    assert finding.reasons[0].startswith("305 km from NO to NO in 1.0 h: at least 185 km/h")
