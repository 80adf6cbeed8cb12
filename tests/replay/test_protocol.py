"""``flask idprotect replay --protocol``: one answer for each attempt, before anything else is read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replay.conftest import (
    CLOUD,
    DAY,
    HOUR,
    Message,
    Replayed,
    answers,
    attempt,
    by_event,
    hello,
    lines,
    outcome,
    sign_ins,
    stranger,
)

LATER = 12 * DAY
#: What keeps people from going on as if nothing had been.
RISKY = {"medium", "high"}


def test_it_runs_in_lock_step_where_nothing_is_configured(tmp_path: Path) -> None:
    """The world waits for each answer before it goes on; there is no server, no database, no setting."""
    command = [sys.executable, "-m", "flask", "idprotect", "replay", "--protocol"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    with process, process.stdin, process.stdout:
        for number, message in enumerate((hello(), attempt(0, 0), outcome(0), attempt(1, HOUR))):
            process.stdin.write(lines([message]))
            process.stdin.flush()
            if number in (1, 3):
                assert json.loads(process.stdout.readline())["event_id"] == message["event_id"]
        process.stdin.close()
        assert process.stdout.read() == b"", "nothing is answered to other messages"
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_an_answer_says_what_every_detector_said(replayed: Replayed) -> None:
    """F024: levels, reasons with values, and what could not be looked at is never called safe."""
    said = by_event(replayed([hello(), *sign_ins(), stranger("odd", LATER)], "--protocol"))["odd"]
    assert said["level"] in RISKY
    assert said["user_level"] != "none", "a sign-in at risk counts, as long as nothing came of it"
    found = said["detections"]
    assert found["unfamiliar_sign_in"]["level"] in RISKY
    assert any("never seen before" in reason for reason in found["unfamiliar_sign_in"]["reasons"])
    assert found["leaked_credentials"] == {"not_evaluated": "no breached-password data"}
    assert found["anonymous_ip"] is None
    assert set(said["reasons"]) >= set(found["unfamiliar_sign_in"]["reasons"])


def test_home_is_familiar_and_the_other_end_of_the_world_is_not(replayed: Replayed) -> None:
    """F002, F003: nothing is unfamiliar while a user is being learnt, and what is habitual never is."""
    log = [hello(), *sign_ins(), attempt("home", LATER), outcome("home"), stranger("odd", LATER + 8 * HOUR)]
    said = by_event(replayed(log, "--protocol"))
    assert {said[f"ada-{day}"]["level"] for day in range(12)} == {"none"}
    assert said["home"]["level"] == "none"
    assert said["odd"]["score"] > said["home"]["score"] + 3


@pytest.mark.parametrize("result", ["failure", "blocked", "challenge_failed"])
def test_what_did_not_end_well_makes_nothing_familiar(replayed: Replayed, result: str) -> None:
    """Learn from outcomes: an attacker who fails, or is stopped, a hundred times is as strange as before."""
    right = result != "failure"
    tries: list[Message] = []
    for number in range(20):
        tries += [stranger(number, LATER + number * DAY, password_ok=right), outcome(number, result)]
    last = stranger("last", LATER + 30 * DAY)
    fresh = by_event(replayed([hello(), *sign_ins(), last], "--protocol"))["last"]
    tried = by_event(replayed([hello(), *sign_ins(), *tries, last], "--protocol"))["last"]
    assert tried["score"] >= fresh["score"]
    assert {tried["level"], fresh["level"]} <= RISKY


def test_a_challenge_that_was_passed_makes_the_place_familiar(replayed: Replayed) -> None:
    passed: list[Message] = []
    for day in range(3):
        event_id = f"passed-{day}"
        passed += [
            stranger(event_id, LATER + day * DAY, device_cookie="new" if day else None),
            outcome(event_id, "challenge_passed", device_cookie="new"),
        ]
    again = stranger("again", LATER + 4 * DAY, device_cookie="new")
    said = by_event(replayed([hello(), *sign_ins(), *passed, again], "--protocol"))
    assert said["passed-0"]["level"] in RISKY
    assert said["again"]["level"] == "none"
    assert said["again"]["user_level"] == "none", "a second factor clears the risk of its sign-in"


def test_wrong_passwords_are_scored_and_never_held_against_the_user(replayed: Replayed) -> None:
    """F021: they feed counters; the identity of whoever is guessed at is not at risk for it."""
    guesses: list[Message] = []
    for number in range(30):
        user = f"user-{number}"
        guesses += [
            stranger(number, number * 60, user=user, ip=CLOUD, password_ok=False),
            outcome(number, "failure"),
        ]
    hit = stranger("hit", 40 * 60, ip=CLOUD)
    said = by_event(replayed([hello(), *guesses, hit], "--protocol"))
    assert {said[number]["user_level"] for number in range(30)} == {"none"}
    assert said[29]["score"] > said[0]["score"], "a campaign shows while it still fails"
    assert said["hit"]["detections"]["password_spray"]["level"] == "high"


def test_a_login_name_that_does_not_exist_is_answered_and_counted(replayed: Replayed) -> None:
    said = answers(
        replayed([hello(), attempt(0, 0, None, password_ok=False), outcome(0, "failure")], "--protocol")
    )
    assert [(answer["level"], answer["user_level"]) for answer in said] == [("none", "none")]


def test_a_verdict_of_compromise_makes_the_user_high_and_unlearns(replayed: Replayed) -> None:
    """F018, and what an intruder made familiar is strange again."""
    intruder = [
        stranger("in", LATER, device_cookie=None),
        outcome("in", "challenge_passed", device_cookie="intruders", session="theirs"),
    ]
    verdict: Message = {
        "type": "feedback",
        "event_id": "in",
        "user": "ada",
        "verdict": "compromised",
        "ts": None,
    }
    again = stranger("again", LATER + 2 * DAY, device_cookie="intruders")
    trusted = by_event(replayed([hello(), *sign_ins(), *intruder, again], "--protocol"))["again"]
    warned = by_event(replayed([hello(), *sign_ins(), *intruder, verdict, again], "--protocol"))["again"]
    assert trusted["user_level"] == "none"
    assert warned["user_level"] == "high"
    assert warned["score"] > trusted["score"]


def test_a_verdict_of_safety_closes_the_sign_in_and_teaches_its_place(replayed: Replayed) -> None:
    stopped = [stranger("stopped", LATER), outcome("stopped", "blocked")]
    verdict: Message = {
        "type": "feedback",
        "event_id": "stopped",
        "user": "ada",
        "verdict": "safe",
        "ts": None,
    }
    again, home = stranger("again", LATER + 2 * DAY), attempt("home", LATER + DAY)
    doubted = by_event(replayed([hello(), *sign_ins(), *stopped, home, outcome("home"), again], "--protocol"))
    cleared = by_event(
        replayed([hello(), *sign_ins(), *stopped, verdict, home, outcome("home"), again], "--protocol")
    )
    assert doubted["home"]["user_level"] != "none", "a block closes nothing"
    assert cleared["home"]["user_level"] == "none"
    assert cleared["again"]["score"] < doubted["again"]["score"]


def test_a_session_that_turns_up_elsewhere_is_found(replayed: Replayed) -> None:
    """F015: the cookie of a session in another network and another browser."""
    used = attempt("used", LATER, kind="session", session="session-ada-11", password_ok=None)
    stolen = stranger("stolen", LATER + HOUR, kind="session", session="session-ada-11", password_ok=None)
    said = by_event(replayed([hello(), *sign_ins(), used, outcome("used"), stolen], "--protocol"))
    assert said["used"]["level"] == "none"
    assert said["stolen"]["detections"]["anomalous_token"]["level"] == "high"
    assert (said["stolen"]["level"], said["stolen"]["user_level"]) == ("high", "high")
