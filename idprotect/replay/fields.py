"""The fields of a log's messages, checked one by one: what cannot be true is reported, and taken as not known."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from idprotect.replay.problems import Problems
from idprotect.risk import Kind, Result

#: The last moment that a calendar knows (seconds since 1970).
END_OF_TIME = 253402300799.0
LONGEST_TEXT = 4096
Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    # A lone surrogate is no character, and cannot be written anywhere.
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and not _has_surrogate(value)


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value)


def _number(least: float, most: float) -> Check:
    def check(value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and least <= value <= most and isfinite(value)

    return check


def _integer(least: int, most: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _one_of(words: type[Kind] | type[Result]) -> Check:
    known = {str(word) for word in words}
    return lambda value: isinstance(value, str) and value in known


def _is_event_id(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


EVENT: Mapping[str, Check] = {"type": _is_text, "event_id": _is_event_id, "ts": _number(0, END_OF_TIME)}

ATTEMPT: Mapping[str, Check] = {
    **EVENT,
    "kind": _one_of(Kind),
    **dict.fromkeys(("user", "login", "ip", "as_org", "country", "city", "ua"), _is_text),
    **dict.fromkeys(("ch_platform_version", "ch_model", "device_cookie", "session"), _is_text),
    "asn": _integer(0, 2**32 - 1),
    "lat": _number(-90, 90),
    "lon": _number(-180, 180),
    "device_cookie_age_s": _number(-86400, 1e10),
    "rtt_ms": _number(0, 600_000),
    "password_ok": _is_truth,
    # What only a log with its outcomes, or policies, use:
    "outcome": _is_object,
    "client": _is_text,
    "groups": _are_texts,
    "roles": _are_texts,
    "registered": _is_truth,
}

OUTCOME: Mapping[str, Check] = {
    **EVENT,
    "result": _one_of(Result),
    **dict.fromkeys(("user", "session", "device_cookie"), _is_text),
}

VERDICTS = ("compromised", "safe")
FEEDBACK: Mapping[str, Check] = {
    **EVENT,
    "user": _is_text,
    "verdict": lambda value: isinstance(value, str) and value in VERDICTS,
}

HELLO: Mapping[str, Check] = {
    "type": _is_text,
    "protocol": _integer(1, 1),
    "start": _number(0, END_OF_TIME),
    **dict.fromkeys(("city_mmdb", "asn_mmdb", "lists"), _is_text),
}


def known(message: Mapping[str, Any], checks: Mapping[str, Check], problems: Problems) -> dict[str, Any]:
    """Return the fields that can be used. None means *not known* everywhere."""
    found = {}
    for name, value in message.items():
        if (check := checks.get(name)) is None:
            problems.complain_once(f"unknown field {name[:40]!r} is ignored")
        elif value is None or check(value):
            found[name] = value
        else:
            problems.complain(f"{name} cannot be {_shown(value)}; it is taken as not known")
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
