"""``flask idprotect replay FILE``: a log with its outcomes, and what policies would do to it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idprotect.replay import World
from idprotect.replay.counts import BoundedCounts
from idprotect.replay.engine import Engine
from idprotect.replay.profiles import Profiles, pack, unpack
from idprotect.risk import Attempt, Browser, Kind, Network, Result
from idprotect.risk.population import TOTAL, Change
from tests.replay.conftest import (
    CLOUD,
    DAY,
    HOUR,
    LONDON,
    SYDNEY,
    Message,
    Replayed,
    answers,
    attempt,
    by_event,
    hello,
    outcome,
    sign_ins,
    stranger,
)

LATER = 12 * DAY


def test_outcomes_may_stand_in_their_attempts_or_on_lines_of_their_own(replayed: Replayed) -> None:
    apart = [hello(), *sign_ins(), stranger("odd", LATER)]
    inside: list[Message] = [hello()]
    for message in apart[1:]:
        if message["type"] == "attempt":
            inside.append(message)
        else:
            inside[-1] = inside[-1] | {
                "outcome": {k: v for k, v in message.items() if k not in ("type", "event_id")}
            }
    untyped = [
        {k: v for k, v in message.items() if message["type"] == "hello" or k != "type"} for message in inside
    ]
    first = replayed(apart)
    assert first.exit_code == 0
    assert replayed(inside).stdout == replayed(untyped).stdout == first.stdout
    assert len(answers(first)) == 13


def test_data_files_are_named_in_the_log_or_on_the_command_line(replayed: Replayed) -> None:
    greeting = hello()
    log = [*sign_ins(), stranger("odd", LATER)]
    options = ("--city", greeting["city_mmdb"], "--asn", greeting["asn_mmdb"], "--lists", greeting["lists"])
    assert replayed(log, "-", *options).stdout == replayed([greeting, *log]).stdout
    blind = by_event(replayed(log))["odd"]["detections"]
    assert blind["impossible_travel"] == {"not_evaluated": "a place is not known"}
    assert blind["anonymous_ip"] == {"not_evaluated": "no list of anonymisers is loaded"}


def test_what_the_log_says_of_an_address_counts_more_than_what_files_say_today(replayed: Replayed) -> None:
    place = {"country": "FR", "city": "Paris", "lat": 48.85, "lon": 2.35, "asn": 64499, "as_org": "Example"}
    near = stranger("near", LATER, ip="198.51.100.70")
    said = by_event(replayed([hello(), *sign_ins(), near, near | place | {"event_id": "moved"}]))
    assert said["moved"]["score"] > said["near"]["score"]


DRAFT = """
[[policy]]
name = "risky"
state = "on"
when = { sign_in_risk = ["medium", "high"] }
then = { require = ["mfa"] }

[[policy]]
name = "no clouds"
state = "on"
when = { locations = ["clouds"] }
then = { require = ["block"] }

[[location]]
name = "clouds"
networks = ["203.0.113.0/24"]
"""


def test_policies_say_what_would_come_of_each_sign_in_and_of_all(replayed: Replayed, tmp_path: Path) -> None:
    """F054: outcomes, prompts per user and week, and who would be stopped."""
    (tmp_path / "draft.toml").write_text(DRAFT)
    log = [hello(), *sign_ins("bob", 1), *sign_ins(), stranger("odd", LATER), outcome("odd", "blocked")]
    log += [attempt("cloud", LATER + HOUR, ip=CLOUD), outcome("cloud", "blocked")]
    result = replayed(log, "--policies", "draft.toml")
    said = by_event(result)
    assert (said["odd"]["outcome"], said["odd"]["policies"]) == ("mfa_required", ["risky"])
    assert said["cloud"]["outcome"] == "blocked"
    assert said["ada-3"]["outcome"] == "allowed"
    told = json.loads(result.stderr.splitlines()[-1])
    assert told["policies"]["outcomes"] == {"allowed": 13, "mfa_required": 1, "blocked": 1}
    assert told["policies"]["users_stopped"] == 1
    weeks = told["policies"]["weeks"]
    assert told["policies"]["prompts_per_user_and_week"]["after"] == pytest.approx(1 / (2 * weeks), abs=0.002)
    assert told["events"] == 15


def test_a_policy_file_that_is_not_valid_is_refused(replayed: Replayed, tmp_path: Path) -> None:
    (tmp_path / "draft.toml").write_text('[[policy]]\nname = "x"\nstate = "perhaps"\n')
    refused = replayed([hello()], "--policies", "draft.toml")
    assert refused.exit_code == 1 and "state" in refused.output


# Properties

USERS = st.sampled_from(["ada", "bob", None])
ADDRESSES = st.sampled_from(
    [LONDON, SYDNEY, CLOUD, "203.0.113.66", "2001:db8::1", "240.3.1.1", "no address", None]
)
AGENTS = st.sampled_from(
    ["", "curl/8", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"]
)
RESULTS = st.sampled_from(["success", "success", "challenge_passed", "challenge_failed", "blocked", "odd"])
COOKIES = st.sampled_from([None, "a", "b", "c"])


@st.composite
def logs(draw: st.DrawFn) -> list[Message]:
    """Make a log of any length: habits, mistakes, attacks and nonsense."""
    log: list[Message] = [hello()]
    at = 0.0
    for number in range(draw(st.integers(0, 12))):
        at += draw(st.sampled_from([1.0, 60.0, HOUR, DAY, 70 * DAY, 900 * DAY, -5.0]))
        right = draw(st.sampled_from([True, True, False, None]))
        said = attempt(
            number,
            at,
            draw(USERS),
            ip=draw(ADDRESSES),
            ua=draw(AGENTS),
            device_cookie=draw(COOKIES),
            session=draw(COOKIES),
            kind=draw(st.sampled_from(["password", "password", "session"])),
            password_ok=right,
            rtt_ms=draw(st.sampled_from([None, 0, 5, 900.5])),
            lat=draw(st.sampled_from([None, 0.0, 90, 1e9])),
        )
        log.append(said)
        if draw(st.booleans()) or right:
            result = "failure" if right is False else draw(RESULTS)
            log.append(outcome(number, result, device_cookie=draw(COOKIES), session=draw(COOKIES)))
        if draw(st.integers(0, 5)) == 0:
            verdict = draw(st.sampled_from(["compromised", "safe"]))
            log.append({"type": "feedback", "event_id": draw(st.integers(0, number)), "verdict": verdict})
    return log


ANY_LOG = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY_LOG
@given(logs())
def test_the_same_log_is_answered_in_the_same_bytes(replayed: Replayed, log: list[Message]) -> None:
    """Whatever the order of the keys in its objects."""
    turned = [dict(reversed(message.items())) for message in log]
    assert replayed(log).stdout == replayed(log).stdout == replayed(turned).stdout


@ANY_LOG
@given(logs(), st.integers(0, 30))
def test_what_comes_later_changes_no_earlier_answer(replayed: Replayed, log: list[Message], cut: int) -> None:
    assert replayed(log).stdout.startswith(replayed(log[:cut]).stdout)


@ANY_LOG
@given(logs())
def test_every_attempt_is_answered_with_a_finite_score(replayed: Replayed, log: list[Message]) -> None:
    said = answers(replayed(log, "--protocol"))
    assert [answer["event_id"] for answer in said] == [m["event_id"] for m in log if m["type"] == "attempt"]
    assert all(abs(answer["score"]) < 1000 for answer in said)
    assert {answer["level"] for answer in said} <= {"none", "low", "medium", "high"}


def test_the_wall_clock_does_not_matter(replayed: Replayed, monkeypatch: pytest.MonkeyPatch) -> None:
    log = [hello(), *sign_ins(), stranger("odd", LATER)]
    now = replayed(log).stdout
    monkeypatch.setattr("time.time", lambda: 4e9)
    monkeypatch.setattr("idprotect.clock.now", lambda: datetime(2096, 1, 1, tzinfo=UTC))
    assert replayed(log).stdout == now


# Memory


def played(engine: Engine, messages: list[tuple[Attempt, Result]]) -> list[Any]:
    """Return what an engine says of attempts."""
    said = []
    for number, (each, result) in enumerate(messages):
        judged = engine.judge(number, each)
        said.append((judged.assessment, judged.user_level))
        engine.settle(number, result, device=f"cookie {each.user}", session=f"session {number}")
    return said


def visits(users: int, rounds: int) -> list[tuple[Attempt, Result]]:
    """Return sign-ins of users in turn, some of them wrong."""
    return [
        (
            Attempt(
                at=1e9 + turn * DAY + user,
                kind=Kind.PASSWORD,
                user=f"user {user}",
                network=Network(f"198.51.100.{(user + turn) % 250}", asn=64496),
                browser=Browser("exact", "Firefox", 140, "Linux", "desktop"),
                site=f"{user} {turn % 3}",
                block=f"{user}",
                platform_version="15",
                model="",
                device=f"cookie user {user}" if turn else None,
                round_trip_ms=30.0,
                password_ok=(user + turn) % 5 != 0,
            ),
            Result.SUCCESS if (user + turn) % 5 else Result.FAILURE,
        )
        for turn in range(rounds)
        for user in range(users)
    ]


def test_profiles_that_were_packed_away_are_the_same() -> None:
    roomy = Engine(World())
    said = played(roomy, visits(20, 8))
    narrow = Engine(World())
    narrow.profiles = Profiles(most_in_use=1)
    assert played(narrow, visits(20, 8)) == said
    for user in range(20):
        profile = roomy.profiles.of(f"user {user}")
        assert unpack(pack(profile)) == profile
        assert profile == narrow.profiles.of(f"user {user}")


def test_counts_stay_bounded_and_keep_what_says_most() -> None:
    """An attacker chooses addresses and browsers, and must not choose how much is kept of them."""
    counts = BoundedCounts(most=100)
    for number in range(1000):
        counts.write(
            1e9 + number,
            [Change(TOTAL, ok=1), Change(("site", "office"), ok=1), Change(("site", str(number)), failed=1)],
        )
    assert len(counts.counts) <= 102
    assert counts.counts[TOTAL].ok > 900 and counts.counts["site", "office"].ok > 900
