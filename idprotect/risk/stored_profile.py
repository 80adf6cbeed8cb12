"""The form in which a profile is stored: values without their names, some two kilobytes as JSON.

A field more goes last, with a default: what was stored before it is read with that.
"""

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from idprotect.risk.profile import Device, Failure, Point, Profile, Seen


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


_PROFILE = _names(Profile)
_POINT_IN_DEVICE = _names(Device).index("point")
_profile, _seen, _point = (attrgetter(*_names(kind)) for kind in (Profile, Seen, Point))
_device, _failure = (attrgetter(*_names(kind)) for kind in (Device, Failure))


def dump(profile: Profile) -> list[Any]:
    """Return what to store of a profile."""
    held = dict(zip(_PROFILE, _profile(profile), strict=True))
    held["last"] = _point(profile.last) if profile.last is not None else None
    held["seen"] = {key: _seen(value) for key, value in profile.seen.items()}
    held["devices"], held["sessions"] = _dump_devices(profile.devices), _dump_devices(profile.sessions)
    held["failures"] = [_failure(value) for value in profile.failures]
    return list(held.values())


def load(stored: list[Any]) -> Profile:
    """Make a profile from what was stored of it."""
    held = dict(zip(_PROFILE, stored, strict=False))
    held["last"] = Point(*held["last"]) if held["last"] is not None else None
    held["seen"] = {key: Seen(*value) for key, value in held["seen"].items()}
    held["devices"], held["sessions"] = _load_devices(held["devices"]), _load_devices(held["sessions"])
    held["failures"] = [Failure(*value) for value in held["failures"]]
    return Profile(**held)


def _dump_devices(devices: Mapping[str, Device]) -> dict[str, list[Any]]:
    dumped = {key: list(_device(device)) for key, device in devices.items()}
    for values in dumped.values():
        values[_POINT_IN_DEVICE] = _point(values[_POINT_IN_DEVICE])
    return dumped


def _load_devices(stored: Mapping[str, list[Any]]) -> dict[str, Device]:
    for values in stored.values():
        values[_POINT_IN_DEVICE] = Point(*values[_POINT_IN_DEVICE])
    return {key: Device(*values) for key, values in stored.items()}
