"""The aggregated level of a sign-in: it starts as the real-time level, falls with what is closed, rises with what comes."""

from hypothesis import given
from hypothesis import strategies as st

from idprotect.risk import RiskLevel, aggregated_risk, sign_in_risk

NONE, LOW, MEDIUM, HIGH = RiskLevel
levels = st.lists(st.sampled_from([LOW, MEDIUM, HIGH]), max_size=4)
real_time = st.sampled_from(RiskLevel)


@given(real_time, levels)
def test_nothing_open_is_no_risk(level: RiskLevel, closed: list[RiskLevel]) -> None:
    assert aggregated_risk(level, [], some_closed=bool(closed)) is NONE


@given(real_time, levels.filter(bool))
def test_it_starts_as_the_real_time_level(level: RiskLevel, found: list[RiskLevel]) -> None:
    """F023, F028: a trusted location lowered it when signing in, and goes on doing so."""
    assert aggregated_risk(level, found) is level


@given(real_time, levels.filter(bool))
def test_closing_something_never_raises_it(level: RiskLevel, left: list[RiskLevel]) -> None:
    assert aggregated_risk(level, left, some_closed=True) <= min(level, sign_in_risk(left))


@given(real_time, levels, levels.filter(bool), st.booleans())
def test_what_is_found_later_never_lowers_it_and_counts_in_full(
    level: RiskLevel, then: list[RiskLevel], since: list[RiskLevel], some_closed: bool
) -> None:
    with_it = aggregated_risk(level, then, since, some_closed=some_closed)
    assert with_it >= aggregated_risk(level, then, some_closed=some_closed)
    assert with_it >= sign_in_risk(since)


def test_two_mediums_make_high_also_when_one_came_later() -> None:
    assert aggregated_risk(MEDIUM, [MEDIUM], [MEDIUM]) is HIGH
    assert aggregated_risk(NONE, [LOW], [MEDIUM]) is MEDIUM, "a trusted location damps the first one only"
