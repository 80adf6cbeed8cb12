"""What is learnt of a user, what is forgotten, and what nobody else can teach."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from idprotect.risk import (
    Attempt,
    Kind,
    Learning,
    Network,
    Profile,
    Result,
    RiskLevel,
    assess,
    changes,
    learn,
    stored_profile,
)
from idprotect.risk.detections import DETECTIONS
from idprotect.risk.evidence.network import Familiarity, familiarity
from idprotect.risk.population import MemoryCounts
from idprotect.risk.profile import (
    DAY,
    MOST_DEVICES,
    MOST_FAILURES,
    MOST_SESSIONS,
    MOST_SESSIONS_AT_RISK,
    MOST_VALUES,
)
from tests.risk.examples import (
    AT,
    CHROME,
    CURL,
    FIREFOX,
    HOUR,
    LAPTOP,
    LEARNING,
    LONDON,
    OSLO,
    SYDNEY,
    ada,
    attempt,
    fail,
    signals,
    stranger,
)

NOT_ENDED_WELL = [Result.FAILURE, Result.BLOCKED, Result.CHALLENGE_FAILED]


@pytest.mark.parametrize(
    ("sign_ins", "days", "why"),
    [
        (0, 0, "no sign-in was learnt yet"),
        (1, 0.5, "until 2026-03-06 00:00 UTC, and 2 more sign-ins"),
        (2, 30, "until 2026-02-04 12:00 UTC, and 1 more sign-ins"),
        (50, 4.9, "until 2026-03-01 14:24 UTC"),
        (3, 5, ""),
        (50, 30, ""),
    ],
)
def test_learning_takes_five_days_and_three_sign_ins(sign_ins: int, days: float, why: str) -> None:
    """F003: both; the page of the user says until when."""
    profile = Profile()
    for number in range(sign_ins):
        profile.learn(attempt(AT - days * DAY + number), LEARNING, None, None)
    reason = LEARNING.reason(profile, AT)
    assert reason == (f"learning this user{': ' if not sign_ins else ' '}{why}" if why else "")


def test_after_long_inactivity_learning_begins_again_with_the_next_sign_in() -> None:
    """F004: sixty days; nothing is forgotten by it."""
    profile = ada(until=AT - 61 * DAY)
    assert "no sign-in for more than 60 days" in LEARNING.reason(profile, AT)
    profile.learn(attempt(), LEARNING, LAPTOP, None)
    assert LEARNING.reason(profile, AT + HOUR).endswith("and 2 more sign-ins")
    assert profile.times("site", attempt().site, AT) == 21


def test_confirmed_safe_restarts_learning_and_forgets_nothing() -> None:
    """F004."""
    profile = ada()
    profile.restart(AT)
    assert LEARNING.reason(profile, AT + HOUR).endswith("and 3 more sign-ins")
    assert familiarity(attempt(), profile) is Familiarity.SITE


def test_the_operator_chooses_how_long_learning_lasts() -> None:
    """F003, F025."""
    short = Learning(days=1, sign_ins=1, inactive_days=7)
    assert short.reason(ada(1, until=AT - 2 * DAY), AT) == ""
    assert "more than 7 days" in short.reason(ada(1, until=AT - 8 * DAY), AT)


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", Familiarity.SITE),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", Familiarity.BLOCK),
        ("2001:db8:1:2::1", "2001:db8:2:2::1", Familiarity.PLACE),
        ("192.0.2.7", "192.0.2.7", Familiarity.SITE),
        ("192.0.2.7", "192.0.2.8", Familiarity.BLOCK),
        ("192.0.2.7", "192.0.3.7", Familiarity.PLACE),
    ],
)
def test_a_network_is_known_from_the_finest_part_on(one: str, other: str, known: Familiarity) -> None:
    """IPv6 by /64 and /48, since privacy addresses change every day; IPv4 by address and /24."""
    profile = Profile()
    profile.learn(attempt(address=one), LEARNING, None, None)
    assert familiarity(attempt(address=other), profile) is known


def test_a_network_is_known_by_place_provider_or_country_where_that_is_all() -> None:
    profile, there = ada(), {"address": "203.0.113.5"}
    assert familiarity(attempt(**there, place=LONDON), profile) is Familiarity.ASN
    assert familiarity(attempt(**there, asn=64999), profile) is Familiarity.COUNTRY
    assert familiarity(attempt(**there, asn=64999, place=LONDON), profile) is Familiarity.NEW
    assert familiarity(attempt(**there, asn=None, place=None), profile) is Familiarity.UNKNOWN
    assert familiarity(attempt(address=None), profile) is Familiarity.UNKNOWN


def test_what_was_not_seen_for_half_a_year_is_new_and_begins_at_one() -> None:
    profile, site = ada(until=AT - 180 * DAY), attempt().site
    assert profile.times("site", site, AT) == 0
    profile.learn(attempt(), LEARNING, LAPTOP, None)
    assert profile.times("site", site, AT) == 1
    assert not profile.is_home(attempt()), "home takes five sign-ins again"


def test_everything_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    """A hundred networks, browsers, devices, sessions and failures: a profile stays a few kilobytes."""
    profile = Profile()
    for number in range(100):
        browser = replace(FIREFOX, exact=f"e{number}", family=f"f{number}")
        place = replace(OSLO, country=f"C{number}", city=f"c{number}")
        address = f"2001:db8:{number:x}:1::1"
        here = attempt(AT + number, address=address, asn=64500 + number, place=place, browser=browser)
        profile.learn(replace(here, platform_version=str(number)), LEARNING, f"d{number}", f"s{number}")
        fail(profile, here)
        profile.deny(here)
    kinds = [key.split(":")[0] for key in profile.seen]
    counts = {kind: kinds.count(kind) for kind in kinds}
    assert counts == dict.fromkeys(
        ("site", "block", "asn", "place", "country", "exact", "browser", "hardware"), MOST_VALUES
    )
    assert list(profile.devices) == [f"d{number}" for number in range(100 - MOST_DEVICES, 100)]
    assert list(profile.sessions) == [f"s{number}" for number in range(100 - MOST_SESSIONS, 100)]
    assert (len(profile.failures), len(profile.denied)) == (MOST_FAILURES, MOST_FAILURES)
    assert profile.times("country", "C76", AT + 100) == 1
    assert profile.times("country", "C75", AT + 100) == 0
    assert len(json.dumps(stored_profile.dump(profile))) < 40_000


def test_a_value_that_is_used_again_is_not_the_oldest() -> None:
    profile = Profile()
    for number in range(60):
        profile.learn(attempt(AT + 2 * number), LEARNING, None, None)
        profile.confirm(attempt(AT + 2 * number + 1, asn=65000 + number))
    assert profile.times("asn", 64500, AT + 120) == 60


def test_one_address_that_fails_a_thousand_times_hides_no_other_failures() -> None:
    profile = fail(ada(), *(stranger(AT - 100 + n, address=f"203.0.113.{n}") for n in range(8)))
    fail(profile, *(stranger(AT - 50 + n / 100) for n in range(1000)))
    assert len({failure.site for failure in profile.failures}) == 9
    assert profile.in_a_row == 1008


def test_sessions_let_in_at_risk_do_not_push_out_the_owners() -> None:
    """F015: whoever has the password may sign in a hundred times; what the owner's session began with stays known."""
    profile = ada()
    learn(profile, attempt(), Result.SUCCESS, RiskLevel.NONE, LEARNING, device=LAPTOP, session="ada's")
    for number in range(100):
        learn(profile, stranger(), Result.SUCCESS, RiskLevel.LOW, LEARNING, session=f"s{number}")
    assert not profile.sessions["ada's"].at_risk
    assert list(profile.sessions)[1:] == [f"s{n}" for n in range(100 - MOST_SESSIONS_AT_RISK, 100)]


def test_a_compromise_unlearns_what_came_since_and_keeps_what_was_before() -> None:
    """2.2: an intruder was let in at noon, from another network with another browser."""
    profile = ada()
    profile.learn(stranger(AT), LEARNING, "an intruder's", "an intruder's session")
    assert familiarity(stranger(AT + HOUR), profile) is Familiarity.SITE
    profile.forget_since(AT)
    assert familiarity(stranger(AT + HOUR), profile) is Familiarity.NEW
    assert familiarity(attempt(AT + HOUR), profile) is Familiarity.SITE
    assert list(profile.devices) == [LAPTOP]
    assert not profile.sessions
    assert profile.last is None, "nobody knows where she was last"
    assert LEARNING.reason(profile, AT + HOUR) == "", "what is unfamiliar still means something"


def test_a_browser_that_was_used_since_a_compromise_is_unlearnt() -> None:
    """Whoever copied her cookie used it as her laptop."""
    profile = ada()
    profile.learn(stranger(AT, device=LAPTOP), LEARNING, LAPTOP, None)
    profile.forget_since(AT)
    assert not profile.devices


def test_an_event_that_arrives_late_does_not_move_anybody_back() -> None:
    profile = ada(until=AT)
    profile.learn(stranger(AT - HOUR), LEARNING, LAPTOP, None)
    assert profile.last is not None
    assert (profile.last.at, profile.last.country) == (AT, "NO")
    assert profile.learnt_at == AT


def test_a_session_that_moved_and_was_let_through_is_known_there() -> None:
    profile = ada()
    profile.begin(attempt(AT - HOUR), LAPTOP, "s")
    cookie = replace(stranger(device=LAPTOP, browser=FIREFOX), kind=Kind.SESSION, session="s")
    learn(profile, cookie, Result.SUCCESS, RiskLevel.LOW, LEARNING)
    assert familiarity(stranger(), profile) is Familiarity.NEW, "at risk: nothing is learnt"
    learn(profile, cookie, Result.SUCCESS, RiskLevel.NONE, LEARNING)
    assert familiarity(stranger(), profile) is Familiarity.SITE
    assert profile.devices[LAPTOP].site == stranger().site
    assert profile.times("exact", stranger().browser.exact, AT) == 0, "a session shows no browser to learn"


def test_a_sign_in_let_in_at_low_teaches_nothing_until_it_is_cleared() -> None:
    """2.1: its session is recognised; its network, browser and device are not."""
    profile = ada()
    before = asdict(deepcopy(profile))
    learn(profile, stranger(), Result.SUCCESS, RiskLevel.LOW, LEARNING, device="new", session="s")
    after = asdict(profile)
    assert set(after["sessions"]) == {"s"}
    told = {"sessions", "in_a_row", "succeeded_at"}
    assert {k: v for k, v in after.items() if k not in told} == {
        k: v for k, v in before.items() if k not in told
    }
    learn(profile, stranger(AT + 9), Result.CHALLENGE_PASSED, RiskLevel.LOW, LEARNING, device="new")
    assert familiarity(stranger(AT + HOUR), profile) is Familiarity.SITE
    assert "new" in profile.devices


@pytest.mark.parametrize("result", NOT_ENDED_WELL)
@pytest.mark.parametrize("level", RiskLevel)
def test_what_did_not_end_well_never_becomes_habit(result: Result, level: RiskLevel) -> None:
    """2.1: an attacker must not train the profile by failing or by being blocked."""
    profile = ada()
    learn(profile, stranger(), result, level, LEARNING, device="new", session="s")
    clean = ada()
    assert (profile.seen, profile.devices, profile.sessions) == (clean.seen, clean.devices, clean.sessions)
    assert (profile.hours, profile.learnt, profile.last) == (clean.hours, clean.learnt, clean.last)


addresses = st.sampled_from(["198.51.100.9", "198.51.100.10", "203.0.113.5", "2001:db8:9:1::1"])
strangers = st.builds(
    lambda ago, address, place, browser, hosting: stranger(
        AT - ago, address=address, place=place, browser=browser, network={"hosting": hosting}
    ),
    st.floats(1, 3 * DAY),
    addresses,
    st.sampled_from([LONDON, SYDNEY, OSLO, None]),
    st.sampled_from([CHROME, CURL, FIREFOX]),
    st.booleans(),
)
histories = st.lists(st.tuples(strangers, st.sampled_from(NOT_ENDED_WELL)), max_size=40)


def after(history: list[tuple[Attempt, Result]], profile: Profile, counts: MemoryCounts) -> None:
    """Let strangers' attempts come to their ends, in order of time."""
    for tried, result in sorted(history, key=lambda event: event[0].at):
        added = changes(tried, result, RiskLevel.MEDIUM, profile)
        if result is not Result.FAILURE:
            counts.write(tried.at, added)
        learn(profile, tried, result, RiskLevel.MEDIUM, LEARNING, device="theirs", session="theirs")


@given(histories, histories, strangers, st.sampled_from([0, 2, 5, 30]))
def test_no_sequence_of_stopped_attempts_lowers_the_score_of_a_later_one(
    before: list[tuple[Attempt, Result]], more: list[tuple[Attempt, Result]], last: Attempt, learnt: int
) -> None:
    """2.1, notes section 7: failing, being blocked and failing challenges make no stranger look familiar."""
    last = replace(last, at=AT)
    scores = []
    for history in (before, before + more):
        profile, counts = ada(learnt), MemoryCounts()
        after(history, profile, counts)
        assessed = assess(signals(last, profile, counts.read(last)), DETECTIONS)
        scores.append((assessed.score, assessed.level))
    (score, level), (later_score, later_level) = scores
    assert later_score >= score - 1e-9
    assert later_level >= level


@given(histories)
def test_strangers_who_fail_do_not_make_the_owner_at_home_suspicious(
    history: list[tuple[Attempt, Result]],
) -> None:
    """Notes section 7: no denial of service on victims; at her address, in her laptop, Ada is no risk."""
    profile, counts = ada(), MemoryCounts()
    after(history, profile, counts)
    assert assess(signals(attempt(), profile, counts.read(attempt())), DETECTIONS).level is RiskLevel.NONE


kinds_of_end = st.sampled_from(list(Result))
lives = st.lists(
    st.tuples(strangers | st.just(attempt()), kinds_of_end, st.sampled_from(RiskLevel)), max_size=15
)


@given(lives)
def test_a_profile_survives_being_stored(life: list[tuple[Attempt, Result, RiskLevel]]) -> None:
    """As JSON, whatever happened: the same profile comes back."""
    profile = ada(2)
    for number, (tried, result, level) in enumerate(life):
        learn(profile, tried, result, level, LEARNING, device=f"d{number}", session=f"s{number}")
    profile.confirm(attempt(asn=None))
    assert stored_profile.load(json.loads(json.dumps(stored_profile.dump(profile)))) == profile
    assert stored_profile.unpack(stored_profile.pack(profile)) == profile


def test_a_profile_that_was_stored_with_fewer_fields_is_read_with_their_defaults() -> None:
    profile = ada()
    profile.compromised_at = AT
    stored = stored_profile.dump(profile)
    (device,) = stored[8].values()
    assert (stored.pop(), device.pop()) == (AT, False), "the last fields of a profile and of a browser"
    profile.compromised_at = None
    assert stored_profile.load(stored) == profile


@given(strangers)
def test_an_attempt_survives_being_stored(tried: Attempt) -> None:
    assert Attempt.from_dict(json.loads(json.dumps(tried.to_dict()))) == tried


def test_an_attempt_without_a_network_survives_being_stored() -> None:
    for tried in (attempt(address=None), replace(attempt(), network=Network("192.0.2.7"))):
        assert Attempt.from_dict(json.loads(json.dumps(tried.to_dict()))) == tried
