"""Whatever stands in a log: it is reported with its line and the reason, and nothing else is lost."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.replay.conftest import (
    DAY,
    HOUR,
    Replayed,
    answers,
    attempt,
    by_event,
    hello,
    lines,
    outcome,
    sign_ins,
)

HABIT = [hello(), *sign_ins()]
NEXT = attempt("next", 12 * DAY + 2 * HOUR)
#: Lines are counted from 1; this is the one after the habit.
BAD_LINE = len(HABIT) + 1
AT = 12 * DAY


def dumped(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


UNUSABLE = {
    "not json": (b"{nonsense\n", "not JSON"),
    "not an object": (b"[1, 2]\n", "not a JSON object"),
    "not UTF-8": (b'{"type":"attempt","user":"\xff"}\n', "not UTF-8 at byte 26"),
    "nested without end": (b"[" * 60_000 + b"\n", "not JSON"),
    "endless": (b'{"type": "' + b"x" * 200_000 + b'"}\n', "longer than"),
    "an unknown type": (dumped({"type": "gossip"}), "unknown type 'gossip'"),
    "a type that is no word": (dumped({"type": ["attempt"]}), "unknown type"),
    "an attempt without id": (dumped({"type": "attempt", "user": "ada"}), "without event_id"),
    "an attempt with an odd id": (dumped(attempt([1], AT)), "event_id cannot be [1]"),  # type: ignore[arg-type]
    "an outcome of nothing": (dumped(outcome("never")), "'never', of which none is awaited"),
    "a second outcome": (dumped(outcome("ada-11")), "'ada-11', of which none is awaited"),
    "an unknown outcome": (dumped(outcome("ada-11", "shrug")), "result cannot be 'shrug'"),
    "feedback about nothing": (
        dumped({"type": "feedback", "event_id": "never", "verdict": "safe"}),
        "'never', which is not remembered",
    ),
    "an unknown verdict": (
        dumped({"type": "feedback", "event_id": "ada-11", "verdict": "odd"}),
        "verdict cannot be 'odd'",
    ),
    "a late hello": (dumped(hello()), "a hello after the first attempt"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_line_that_cannot_be_used_is_reported_and_left_out(replayed: Replayed, case: str) -> None:
    line, reason = UNUSABLE[case]
    good = replayed([*HABIT, NEXT])
    bad = replayed(lines(HABIT) + line + lines([NEXT]))
    assert bad.stdout == good.stdout
    assert f"line {BAD_LINE}: " in bad.stderr and reason in bad.stderr
    assert (good.exit_code, bad.exit_code) == (0, 1)


DOUBTFUL = {
    "latitude": ({"lat": 91.0}, "lat cannot be 91.0"),
    "longitude": ({"lon": -181}, "lon cannot be -181"),
    "a coordinate that is no number": ({"lat": float("nan")}, "lat cannot be nan"),
    "an endless number": ({"rtt_ms": float("inf")}, "rtt_ms cannot be inf"),
    "a huge number": ({"asn": 10**400}, "asn cannot be"),
    "no address": ({"ip": "300.1.2.3"}, "ip '300.1.2.3' is no address"),
    "a number for a name": ({"user": 7}, "user cannot be 7"),
    "half a character": ({"ua": "\ud800"}, "ua cannot be"),
    "a very long name": ({"device_cookie": "x" * 5000}, "device_cookie cannot be"),
    "a password that is maybe right": ({"password_ok": "maybe"}, "password_ok cannot be 'maybe'"),
    "an unknown kind": ({"kind": "smoke"}, "kind cannot be 'smoke'"),
    "an unknown field": ({"mood": "good"}, "unknown field 'mood'"),
    "no time": ({"ts": "noon"}, "ts cannot be 'noon'"),
    "a time that no calendar knows": ({"ts": 1e300}, "ts cannot be 1e+300"),
    "a time long ago": ({"ts": 5.0}, "before the event before"),
    "a time to come": ({"ts": 9_000_000_000.0}, "days ahead"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_an_attempt_is_answered_whatever_is_wrong_with_it(replayed: Replayed, case: str) -> None:
    """What is wrong is taken as not known; the protocol waits for an answer to each attempt that has an id."""
    other, reason = DOUBTFUL[case]
    result = replayed(lines([*HABIT, attempt("odd", AT) | other, NEXT]), "--protocol")
    said = by_event(result)
    assert set(said) >= {"odd", "next"}
    assert f"line {BAD_LINE}: " in result.stderr and reason in result.stderr
    assert result.exit_code == 0, "the protocol goes on"
    assert replayed(lines([*HABIT, attempt("odd", AT) | other, NEXT])).exit_code == 1
    clean = by_event(replayed([*HABIT, NEXT], "--protocol"))
    assert said["next"]["score"] == clean["next"]["score"], "it did not move the clock, nor teach anything"


def test_a_gap_in_a_log_is_no_mistake(replayed: Replayed) -> None:
    """One event far ahead is not believed; two that agree are."""
    years = 3 * 365 * DAY
    result = replayed(
        [*HABIT, attempt("a", AT + years), attempt("b", AT + years + 60), attempt("c", AT + years + 90)]
    )
    assert result.stderr.count("line ") == 1
    assert "anew" in json.dumps(by_event(result)["c"]["detections"]), (
        "so long ago that the user is learnt anew"
    )


def test_a_wrong_password_that_succeeded_teaches_nothing(replayed: Replayed) -> None:
    """A log that contradicts itself must not make an attacker familiar."""
    wrong = attempt("wrong", AT, ip="240.2.3.4", password_ok=False)
    result = replayed(
        [*HABIT, wrong, outcome("wrong", "success"), attempt("after", AT + DAY, ip="240.2.3.4")]
    )
    failed = replayed(
        [*HABIT, wrong, outcome("wrong", "failure"), attempt("after", AT + DAY, ip="240.2.3.4")]
    )
    assert "is taken as a failure" in result.stderr
    assert answers(result)[-1] == answers(failed)[-1]


def test_an_unknown_field_is_said_once(replayed: Replayed) -> None:
    result = replayed([message | {"mood": "good"} for message in HABIT])
    assert result.stderr.count("mood") == 1
    assert "line 1: unknown field 'mood' is ignored (said once)" in result.stderr


def test_data_that_cannot_be_read_is_named_and_not_evaluated(replayed: Replayed, tmp_path: Path) -> None:
    (tmp_path / "broken.mmdb").write_bytes(b"no database")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "tor_exits.txt").write_text("# nothing\n")
    files = {"city_mmdb": "broken.mmdb", "asn_mmdb": "missing.mmdb", "lists": str(lists)}
    result = replayed([hello(**files), *sign_ins(), NEXT], "--protocol")
    for name in ("broken.mmdb", "missing.mmdb", "tor_exits.txt"):
        assert name in result.stderr
    assert by_event(result)["next"]["detections"]["anonymous_ip"] == {
        "not_evaluated": "no list of anonymisers is loaded"
    }
    told = replayed([hello(lists="nowhere"), NEXT], "--protocol")
    assert "nowhere: is no folder" in told.stderr and len(answers(told)) == 1


def test_a_log_that_breaks_off_is_reported_and_used_as_far_as_it_goes(
    replayed: Replayed, tmp_path: Path
) -> None:
    whole = lines([*HABIT, NEXT])
    packed = gzip.compress(whole)
    (tmp_path / "log.jsonl.gz").write_bytes(packed)
    (tmp_path / "cut.jsonl").write_bytes(packed[: len(packed) - 20])
    assert replayed(b"", "log.jsonl.gz").stdout == replayed(whole).stdout
    cut = replayed(b"", "cut.jsonl")
    assert cut.exit_code == 1 and "cannot be read on" in cut.stderr
    missing = replayed(b"", "missing.jsonl")
    assert missing.exit_code == 1 and "No such file" in missing.stderr
