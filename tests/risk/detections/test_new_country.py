import pytest

from idprotect.risk import About, Count, Finding, Location, NotEvaluated, Profile, RiskLevel
from idprotect.risk.detections.new_country import NewCountry
from idprotect.risk.profile import DAY
from tests.risk.examples import AT, LONDON, ada, attempt, signals, stranger


def organisation(users: float, there: float = 0.0) -> dict[tuple[str, str], Count]:
    """Return what is counted of so many active users, so many of them known in Great Britain."""
    return {("all", ""): Count(AT, users=users), ("country", "GB"): Count(AT, users=there)}


def test_a_country_new_to_the_user_and_to_the_organisation_is_medium() -> None:
    """F014, F024: none of 400 users is known in Great Britain."""
    finding = NewCountry().detect(signals(stranger(), counts=organisation(400)))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level, finding.about) == ("new_country", RiskLevel.MEDIUM, About.SIGN_IN)
    assert finding.reasons == ("GB is new to the user", "about 0 of 400 users are known there")
    assert finding.evidence == {"country": "GB", "users_there": 0.0, "users": 400}


@pytest.mark.parametrize(
    ("users", "there", "found"), [(400, 1.9, True), (400, 2.0, False), (50, 0.9, True), (50, 1.0, False)]
)
def test_a_country_that_colleagues_sign_in_from_is_the_organisations(
    users: float, there: float, found: bool
) -> None:
    """One in two hundred users, and at least one."""
    answer = NewCountry().detect(signals(stranger(), counts=organisation(users, there)))
    assert isinstance(answer, Finding) is found


def test_the_users_own_country_is_not_new() -> None:
    assert NewCountry().detect(signals(attempt(), counts=organisation(400))) is None


def test_a_country_not_seen_for_half_a_year_is_new_again() -> None:
    profile = ada()
    profile.confirm(stranger(AT - 179 * DAY))
    assert NewCountry().detect(signals(stranger(), profile, organisation(400))) is None
    profile = ada()
    profile.confirm(stranger(AT - 180 * DAY))
    assert isinstance(NewCountry().detect(signals(stranger(), profile, organisation(400))), Finding)


@pytest.mark.parametrize("place", [None, Location(None, "Somewhere")])
def test_an_unknown_country_is_not_evaluated(place: Location | None) -> None:
    """D16."""
    answer = NewCountry().detect(signals(stranger(place=place), counts=organisation(400)))
    assert answer == NotEvaluated("the country is not known")


def test_while_a_user_is_learnt_it_is_not_evaluated() -> None:
    """F003, D16: every country is new to somebody who is new."""
    answer = NewCountry().detect(signals(stranger(), Profile(), organisation(400)))
    assert answer == NotEvaluated("learning this user: no sign-in was learnt yet")


def test_of_an_organisation_of_four_nothing_can_be_said() -> None:
    """D16."""
    answer = NewCountry().detect(signals(stranger(), counts=organisation(4.9)))
    assert isinstance(answer, NotEvaluated)
    assert "too few users" in answer.why


def test_the_operator_chooses_share_users_and_level() -> None:
    """F025."""
    detector = NewCountry(level=RiskLevel.HIGH, share=0.1, users=2)
    finding = detector.detect(signals(stranger(place=LONDON), counts=organisation(4, 0.3)))
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.HIGH
    assert detector.detect(signals(stranger(), counts=organisation(40, 4))) is None
