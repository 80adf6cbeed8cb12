"""What is remembered of one user, in words and counts for that very person: no scores, weights or pseudonyms."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from idprotect.risk.attempt import in_words
from idprotect.risk.profile import FORGOTTEN_AFTER, Device, Learning, Profile, Seen

#: Kinds of values that are kept as they are, and what people call them.
_READABLE = {
    "country": "countries",
    "place": "places",
    "asn": "networks",
    "browser": "browsers",
    "hardware": "machines",
}
#: Kinds of which only a keyed hash is kept: how many there are is all that can be told.
_HASHED = {"site": "addresses", "block": "neighbourhoods", "exact": "browser_versions"}


def describe(profile: Profile, learning: Learning, now: float) -> dict[str, Any]:
    """Return what is habitual for a user.

    :param now: seconds since 1970.
    """
    return {
        "sign_ins_learnt": profile.learnt,
        "first_learnt_or_anew_at": _time(profile.since),
        "last_learnt_at": _time(profile.learnt_at),
        "still_learning": learning.reason(profile, now) or None,
        **{name: list(_values(profile, kind)) for kind, name in _READABLE.items()},
        "kept_as_keyed_hashes": {name: _count(profile, kind) for kind, name in _HASHED.items()},
        "seen_in_data_centres": _count(profile, "use") > 0,
        "hours_utc": {f"{hour:02}": round(times) for hour, times in enumerate(profile.hours) if times},
        "usual_round_trip_ms": round(profile.round_trip_ms) if profile.round_trip_ms else None,
        "last_place": _place(profile),
        "browsers_with_our_cookie": [_device(device) for device in profile.devices.values()],
        "sessions_compared": [_device(device) for device in profile.sessions.values()],
        "wrong_passwords": [_time(failure.at) for failure in profile.failures],
        "wrong_passwords_in_a_row": profile.in_a_row,
        "stopped_or_failed_at": [_time(at) for at in profile.denied],
        "compromise_confirmed_at": _time(profile.compromised_at),
        "forgotten_after_days": round(FORGOTTEN_AFTER / 86400),
    }


def _values(profile: Profile, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the values of a kind, the most frequent first."""
    of_kind = [(key.partition(":")[2], seen) for key, seen in profile.seen.items() if _is(key, kind)]
    for value, seen in sorted(of_kind, key=lambda item: -item[1].count):
        yield {"value": _in_words(kind, value), **_when(seen)}


def _in_words(kind: str, value: str) -> str:
    if kind == "asn":
        return f"AS{value}"
    if kind == "place":
        city, _, asn = value.rpartition("/")
        return f"{city} (AS{asn})"
    return in_words(value)


def _when(seen: Seen) -> dict[str, Any]:
    return {"times": seen.count, "first_at": _time(seen.first), "last_at": _time(seen.last)}


def _count(profile: Profile, kind: str) -> int:
    return sum(_is(key, kind) for key in profile.seen)


def _is(key: str, kind: str) -> bool:
    return key.startswith(f"{kind}:")


def _place(profile: Profile) -> dict[str, Any] | None:
    if (last := profile.last) is None:
        return None
    return {
        "at": _time(last.at),
        "country": last.country,
        "network": f"AS{last.asn}" if last.asn is not None else None,
        "latitude": last.latitude,
        "longitude": last.longitude,
    }


def _device(device: Device) -> dict[str, Any]:
    return {
        "browser": in_words(device.name),
        "version": device.version,
        "model": device.model,
        "times": device.count,
        "first_at": _time(device.first),
        "last_at": _time(device.point.at),
        "last_country": device.point.country,
    }


def _time(at: float | None) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at is not None else None
