"""Campaigns played through the counts as they would be at a server."""

from dataclasses import replace

import pytest

from idprotect.risk import (
    About,
    Attempt,
    Count,
    Finding,
    NotEvaluated,
    Profile,
    Result,
    RiskLevel,
    assess,
    changes,
)
from idprotect.risk.detections import DETECTIONS
from idprotect.risk.detections.password_spray import PasswordSpray
from idprotect.risk.population import MemoryCounts
from idprotect.risk.profile import DAY
from tests.risk.examples import AT, CHROME, HOUR, LONDON, ada, attempt, signals, stranger


def world() -> MemoryCounts:
    """Return the counts of a company with 300 successes and thirty accounts that mistyped this week."""
    return MemoryCounts({("all", ""): Count(AT - DAY, ok=300, users=100, failed=40, accounts=30)})


def sprayed(counts: MemoryCounts, attempts: list[Attempt]) -> MemoryCounts:
    """Let a wrong password be counted for an account of its own at each attempt."""
    for tried in sorted(attempts, key=lambda tried: tried.at):
        counts.write(
            tried.at,
            changes(replace(tried, password_ok=False), Result.FAILURE, RiskLevel.NONE, Profile()),
        )
    return counts


def answer(counts: MemoryCounts, hit: Attempt) -> object:
    return PasswordSpray().detect(signals(hit, counts=counts.read(hit)))


def test_a_hit_after_nine_accounts_from_one_address_is_high() -> None:
    """F011, F024: in half an hour, one password each."""
    counts = sprayed(world(), [stranger(AT - 200 * number) for number in range(9, 0, -1)])
    finding = answer(counts, stranger())
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level, finding.about) == ("password_spray", RiskLevel.HIGH, About.SIGN_IN)
    assert finding.reasons == ("about 9 accounts failed from 198.51.100.9 lately, with 0 successes",)
    assert finding.evidence == {"accounts": 9.0, "successes": 0, "by": "address"}


def test_a_few_accounts_are_no_spray() -> None:
    counts = sprayed(world(), [stranger(AT - 200 * number) for number in range(5, 0, -1)])
    assert answer(counts, stranger()) is None


def test_one_forgetful_account_is_no_spray() -> None:
    """A hundred wrong passwords for one account are repeated_failures; here they count once a day."""
    counts, profile = world(), Profile()
    for number in range(100, 0, -1):
        tried = stranger(AT - 60 * number)
        counts.write(tried.at, changes(tried, Result.FAILURE, RiskLevel.NONE, profile))
        profile.fail(tried)
    assert answer(counts, stranger()) is None


def test_an_office_where_people_get_in_is_no_spray() -> None:
    """Nine accounts mistyped, and two others did not."""
    counts = sprayed(world(), [stranger(AT - 200 * number) for number in range(9, 0, -1)])
    for kind, value in (("site", stranger().site), ("wave", f"64511 {CHROME.exact}")):
        counts.counts[(kind, value)].ok = 2.0
    assert answer(counts, stranger()) is None


@pytest.mark.parametrize(("accounts_a_day", "found"), [(1, True), (0.5, False)])
def test_slow_over_days_is_still_one_campaign(accounts_a_day: float, found: bool) -> None:
    """No window to wait out: one account a day adds up to seven within two weeks, one every second day to four."""
    tries = [
        stranger(AT - number * DAY / accounts_a_day) for number in range(1, int(14 * accounts_a_day) + 1)
    ]
    assert isinstance(answer(sprayed(world(), tries), stranger()), Finding) is found


def test_many_addresses_of_one_network_with_one_browser_are_one_campaign() -> None:
    """Thirty addresses, one account each, half an hour apart: the address says nothing, network and browser do."""
    tries = [stranger(AT - number * HOUR / 2, address=f"203.0.113.{number}") for number in range(30, 0, -1)]
    finding = answer(sprayed(world(), tries), stranger())
    assert isinstance(finding, Finding)
    assert finding.reasons[0].endswith("failed from AS64511 with this very browser lately, with 0 successes")
    assert finding.evidence["by"] == "network_and_browser"
    assert 29 < finding.evidence["accounts"] <= 30


def test_neither_the_network_nor_the_browser_alone_is_a_campaign() -> None:
    """A provider with many customers, and a browser that everyone has, each have many failures."""
    others = replace(CHROME, exact="another")
    same_network = [stranger(AT - n * 60, address=f"203.0.113.{n}", browser=others) for n in range(30, 0, -1)]
    same_browser = [stranger(AT - n * 60, address=f"203.0.113.{n}", asn=64999) for n in range(30, 0, -1)]
    assert answer(sprayed(world(), same_network), stranger()) is None
    assert answer(sprayed(world(), same_browser), stranger()) is None


def test_a_flood_elsewhere_does_not_hide_a_campaign() -> None:
    """An attacker who fails for ten thousand names elsewhere cannot make a campaign look usual."""
    tries = [stranger(AT - number * 60, address=f"203.0.113.{number}") for number in range(30, 0, -1)]
    counts = sprayed(world(), tries)
    counts.counts[("all", "")].accounts += 10_000
    assert isinstance(answer(counts, stranger()), Finding)


def test_an_owner_at_home_inside_it_is_spared() -> None:
    """The sprayer sits in Ada's office: her address, or her browser elsewhere, is enough."""
    here = [attempt(AT - 60 * number, device=None, browser=CHROME) for number in range(30, 0, -1)]
    counts = sprayed(world(), here)
    assert answer(counts, attempt()) is None
    assert answer(counts, attempt(device=None, browser=CHROME)) is None, "her address, in a new browser"
    elsewhere = sprayed(world(), [stranger(AT - 60 * number) for number in range(30, 0, -1)])
    assert answer(elsewhere, stranger(device="ada's laptop")) is None, "her browser, at that address"


def test_a_spray_without_a_hit_makes_no_finding_for_anyone_else() -> None:
    """F011: counters only; whoever signs in from elsewhere meanwhile has no part in it."""
    counts = sprayed(world(), [stranger(AT - 60 * number) for number in range(30, 0, -1)])
    somewhere = stranger(address="203.0.113.200", asn=64999, place=LONDON)
    found = assess(signals(somewhere, ada(), counts.read(somewhere)), [PasswordSpray()])
    assert found.findings == ()


def test_what_cannot_be_looked_at_is_not_evaluated() -> None:
    """D16: no address; or an address that is clean, and no network to look at beyond."""
    assert answer(world(), attempt(address=None)) == NotEvaluated("the address is not known")
    assert answer(world(), stranger(asn=None)) == NotEvaluated("the network is not known")


def test_it_is_high_however_few_other_things_are_odd() -> None:
    """2.1: the rule alone makes the sign-in high."""
    counts = sprayed(world(), [stranger(AT - 200 * number) for number in range(9, 0, -1)])
    hit = stranger()
    assert assess(signals(hit, counts=counts.read(hit)), DETECTIONS).level is RiskLevel.HIGH


def test_the_operator_chooses_how_many_accounts() -> None:
    """F025."""
    counts = sprayed(world(), [stranger(AT - 200 * number) for number in range(3, 0, -1)])
    hit = stranger()
    found = PasswordSpray(accounts=3, level=RiskLevel.MEDIUM).detect(signals(hit, counts=counts.read(hit)))
    assert isinstance(found, Finding)
    assert found.level is RiskLevel.MEDIUM
