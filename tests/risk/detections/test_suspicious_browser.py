import pytest

from idprotect.risk import Attempt, Finding, NotEvaluated, Profile, Result, RiskLevel, changes
from idprotect.risk.detections.suspicious_browser import SuspiciousBrowser
from idprotect.risk.population import MemoryCounts
from idprotect.risk.profile import DAY
from tests.risk.examples import AT, LEARNING, LONDON, OSLO, SYDNEY, attempt, signals

BROWSER = "one and the same"


def used_from(*places: object, every: float = 3600.0) -> MemoryCounts:
    """Let one browser sign in one account after the other; the first one without a cookie yet."""
    counts = MemoryCounts()
    for number, place in enumerate(places):
        at = AT - (len(places) - number) * every
        signed_in = attempt(at, place=place, device=BROWSER if number else None)
        counts.write(at, changes(signed_in, Result.SUCCESS, RiskLevel.NONE, Profile(), BROWSER))
    return counts


def answer(counts: MemoryCounts, here: Attempt | None = None, profile: Profile | None = None) -> object:
    here = here or attempt(device=BROWSER)
    return SuspiciousBrowser().detect(signals(here, profile or Profile(), counts.read(here)))


def test_the_third_account_from_the_second_country_is_medium() -> None:
    """F016, F024: London, Sydney, and now Oslo."""
    finding = answer(used_from(LONDON, SYDNEY))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("suspicious_browser", RiskLevel.MEDIUM)
    assert finding.reasons == ("this browser signed in about 3 accounts, and not only from NO",)
    assert finding.evidence == {"accounts": 3.0, "in_this_country": 0}


@pytest.mark.parametrize("places", [(), (LONDON,)])
def test_two_accounts_share_a_browser_at_times(places: tuple[object, ...]) -> None:
    assert answer(used_from(*places)) is None


def test_a_family_in_one_country_is_not_suspicious() -> None:
    assert answer(used_from(OSLO, OSLO, OSLO, OSLO)) is None


def test_one_account_that_travels_is_one_account() -> None:
    """The same user in three countries, every day anew, is never three."""
    counts, profile = MemoryCounts(), Profile()
    for number, place in enumerate((OSLO, LONDON, SYDNEY) * 10):
        at = AT + (number - 30) * DAY
        here = attempt(at, place=place, device=BROWSER if number else None)
        counts.write(at, changes(here, Result.SUCCESS, RiskLevel.NONE, profile, BROWSER))
        profile.learn(here, LEARNING, BROWSER, None)
    assert counts.read(attempt(device=BROWSER))[("device", BROWSER)].users <= 1.0
    assert answer(counts, profile=profile) is None


def test_accounts_of_long_ago_are_forgotten() -> None:
    """Halving every week: two accounts of four weeks ago are an eighth of one."""
    assert answer(used_from(LONDON, SYDNEY, every=28 * DAY)) is None


def test_a_browser_without_a_cookie_is_none_that_is_known() -> None:
    assert answer(used_from(LONDON, SYDNEY), attempt(device=None)) is None


def test_without_a_country_nobody_looked() -> None:
    """D16."""
    here = attempt(device=BROWSER, place=None)
    assert answer(used_from(LONDON, SYDNEY), here) == NotEvaluated("the country is not known")


def test_the_operator_chooses_how_many_accounts() -> None:
    """F025."""
    here = attempt(device=BROWSER)
    told = signals(here, Profile(), used_from(LONDON).read(here))
    assert isinstance(SuspiciousBrowser(accounts=2).detect(told), Finding)
