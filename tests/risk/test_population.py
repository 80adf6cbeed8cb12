"""What everyone does: decay, order, and how often an account counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from idprotect.risk import Attempt, Count, Kind, Profile, Result, RiskLevel, changes, learn
from idprotect.risk.evidence.failures import surge
from idprotect.risk.population import FAST, SLOW, TOTAL, Change, MemoryCounts, keys
from idprotect.risk.profile import DAY
from tests.risk.examples import AT, HOUR, LEARNING, attempt, stranger

NONE, LOW, MEDIUM, HIGH = RiskLevel
HERE = ("site", attempt().site)


def play(*events: tuple[Attempt, Result, RiskLevel, str]) -> MemoryCounts:
    """Let attempts of several accounts be counted and learnt as live and replay do it."""
    counts, profiles = MemoryCounts(), {}
    for tried, result, level, user in events:
        profile = profiles.setdefault(user, Profile()) if user else None
        counts.write(tried.at, changes(tried, result, level, profile, tried.device))
        if profile is not None:
            learn(profile, tried, result, level, LEARNING, device=tried.device)
    return counts


def succeeded(at: float, user: str = "ada", **more: object) -> tuple[Attempt, Result, RiskLevel, str]:
    return attempt(at, **more), Result.SUCCESS, NONE, user


def failed(at: float, user: str = "ada", **more: object) -> tuple[Attempt, Result, RiskLevel, str]:
    return attempt(at, **more), Result.FAILURE, NONE, user


@pytest.mark.parametrize(("half_lives", "left"), [(0, 8.0), (1, 4.0), (2, 2.0), (3, 1.0)])
def test_counts_halve_every_week_and_bursts_every_hour(half_lives: float, left: float) -> None:
    """Exponential decay, with numbers."""
    slow = Count(AT, ok=8, users=8, failed=8, accounts=8)
    slow.move_to(AT + half_lives * 7 * DAY)
    assert (slow.ok, slow.users, slow.failed, slow.accounts) == (left,) * 4
    fast = Count(AT, burst=8, burst_accounts=8)
    fast.move_to(AT + half_lives * HOUR)
    assert (fast.burst, fast.burst_accounts) == (left, left)
    assert (SLOW, FAST) == (7 * DAY, HOUR)


@given(st.lists(st.floats(0, 60 * DAY), max_size=8))
def test_it_does_not_matter_how_often_time_passes(stops: list[float]) -> None:
    one, many = Count(AT, 5, 4, 3, 2, 7, 6), Count(AT, 5, 4, 3, 2, 7, 6)
    one.move_to(AT + 60 * DAY)
    for stop in [*sorted(stops), 60 * DAY]:
        many.move_to(AT + stop)
    assert asdict(many) == pytest.approx(asdict(one))


def test_time_does_not_run_backwards_for_an_event_that_arrives_late() -> None:
    """It counts in full, which is more and not less than it should."""
    counts = MemoryCounts()
    counts.write(AT, [Change(HERE, failed=1, accounts=1)])
    counts.write(AT - HOUR, [Change(HERE, failed=1, accounts=1)])
    count = counts.counts[HERE]
    assert (count.at, count.failed, count.burst) == (AT, 2, 2)


@given(st.permutations(range(4)))
def test_the_order_of_events_within_a_moment_does_not_matter(order: list[int]) -> None:
    events = [failed(AT, "ada"), failed(AT, "bob"), succeeded(AT, "cyd"), succeeded(AT, "dan")]
    counts = play(*(events[number] for number in order))
    total = counts.counts[TOTAL]
    assert (total.ok, total.users, total.failed, total.accounts) == (2, 2, 2, 2)


def test_an_account_that_fails_a_hundred_times_is_one_account() -> None:
    """Once a day and value: a forgetful user is no spray."""
    counts = play(*(failed(AT + number) for number in range(100)))
    assert counts.counts[HERE].accounts == pytest.approx(1, rel=0.001)
    assert counts.counts[HERE].failed == pytest.approx(100, rel=0.001)
    play_on = play(failed(AT), failed(AT + 25 * HOUR))
    assert play_on.counts[HERE].accounts == pytest.approx(1.9, abs=0.01)


def test_one_account_that_fails_from_two_addresses_counts_at_both_and_once_in_all() -> None:
    counts = play(failed(AT), failed(AT + 1, address="203.0.113.5"))
    assert counts.counts[HERE].accounts == pytest.approx(1, rel=0.001)
    assert counts.counts["site", "203.0.113.5/32"].accounts == 1
    assert counts.counts[TOTAL].accounts == pytest.approx(1, rel=0.001)


def test_names_that_do_not_exist_cannot_be_told_apart_and_count_each() -> None:
    """An attacker who guesses names is as visible as one who knows them."""
    counts = play(*(failed(AT + number, "") for number in range(10)))
    assert counts.counts[HERE].accounts == pytest.approx(10, rel=0.001)
    assert counts.counts[HERE].users == 0


def test_a_user_is_one_user_however_often_and_however_long() -> None:
    """A year of daily sign-ins: one when it is there, half a week later, and no more than one ever."""
    counts = play(*(succeeded(AT + number * DAY) for number in range(365)))
    count = counts.counts[HERE]
    assert count.users == pytest.approx(1)
    assert counts.counts[TOTAL].users == pytest.approx(1)
    assert count.ok == pytest.approx(10.6, abs=0.1)
    count.move_to(count.at + 7 * DAY)
    assert count.users == pytest.approx(0.5)


def test_an_organisation_stays_known_without_new_people() -> None:
    """Fifty who sign in once a week for half a year: between 25 and 50 are there at any moment."""
    events = [
        succeeded(AT + week * 7 * DAY + person * HOUR, f"u{person}")
        for week in range(26)
        for person in range(50)
    ]
    assert 25 < play(*events).counts[TOTAL].users <= 50


@pytest.mark.parametrize("result", [Result.SUCCESS, Result.BLOCKED, Result.CHALLENGE_FAILED])
@pytest.mark.parametrize("level", [LOW, MEDIUM, HIGH])
def test_what_did_not_end_well_makes_no_address_usual(result: Result, level: RiskLevel) -> None:
    """Notes section 7: an account in strange hands cannot make the stranger's address look shared."""
    counts = play(*((stranger(AT + number), result, level, "ada") for number in range(20)))
    assert all((count.ok, count.users) == (0, 0) for count in counts.counts.values())


def test_a_challenge_that_was_passed_counts() -> None:
    counts = play((stranger(), Result.CHALLENGE_PASSED, HIGH, "ada"))
    assert counts.counts["site", stranger().site].users == 1


def test_what_a_session_does_is_not_counted() -> None:
    assert changes(attempt(kind=Kind.SESSION), Result.SUCCESS, NONE, Profile()) == []


def test_judging_reads_only_what_belongs_to_the_attempt() -> None:
    """However many addresses are counted: at most eight keys are read, whatever the attempt."""
    counts = play(*(failed(AT + n, f"u{n}", address=f"2001:db8:{n:x}::1", asn=n) for n in range(1000)))
    read = counts.read(attempt(AT + 1000))
    assert {kind for kind, _ in read} == {"all", "country", "exact", "device", "device_country"}
    assert len(list(keys(attempt()))) == 8


def test_addresses_of_one_ipv6_network_share_a_count() -> None:
    """Ten thousand addresses of one /64 are one row, of one attacker with a /64 for every name one each."""
    counts = play(*(failed(AT + n, f"u{n}", address=f"2001:db8::{n:x}") for n in range(1, 1000)))
    assert len(counts.counts) == len(list(keys(attempt()))) == 8


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_surge_grows_with_failing_accounts_and_shrinks_with_successes(
    accounts: float, ok: float, all_accounts: float, all_ok: float, more: float
) -> None:
    total = Count(AT, ok=all_ok, accounts=all_accounts)
    here = surge(Count(AT, accounts=accounts, ok=ok), total)
    assert 0 <= here <= 3
    assert surge(Count(AT, accounts=accounts + more, ok=ok), total) >= here - 1e-9
    assert surge(Count(AT, accounts=accounts, ok=ok + more), total) <= here + 1e-9


def test_no_flood_elsewhere_makes_a_campaign_look_usual() -> None:
    """A million names that fail elsewhere take something off, and never all of it."""
    campaign = Count(AT, accounts=30)
    quiet, flooded = Count(AT, ok=300, accounts=30), Count(AT, ok=300, accounts=1e6)
    assert surge(campaign, quiet) == 3.0
    assert surge(campaign, flooded) == 3.0
    assert surge(Count(AT, accounts=10, ok=1), flooded) == pytest.approx(1.7, abs=0.05)


def test_of_three_accounts_little_is_said() -> None:
    total = Count(AT, ok=300, accounts=30)
    assert [round(surge(Count(AT, accounts=number), total), 1) for number in range(5)] == [
        0,
        0.6,
        1.5,
        2.2,
        3.0,
    ]
