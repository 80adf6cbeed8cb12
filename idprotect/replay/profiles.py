"""The profiles of a replay: those in use as objects, the rest as packed JSON, some 600 bytes a user."""

import json
import zlib
from collections import OrderedDict
from dataclasses import fields
from operator import attrgetter
from typing import Any

from idprotect.risk.profile import Device, Failure, Point, Profile, Seen

#: Profiles in use; some ten kilobytes each.
MOST_IN_USE = 8192
FASTEST = 1


class Profiles:
    """The profile of every user, the least recently used packed away."""

    def __init__(self, most_in_use: int = MOST_IN_USE) -> None:
        self._most = most_in_use
        self._in_use: OrderedDict[str, Profile] = OrderedDict()
        self._packed: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._in_use) + len(self._packed)

    def of(self, user: str) -> Profile:
        """Return a user's profile, the very one: what it learns is kept."""
        if (profile := self._in_use.get(user)) is not None:
            self._in_use.move_to_end(user)
            return profile
        packed = self._packed.pop(user, None)
        profile = self._in_use[user] = unpack(packed) if packed is not None else Profile()
        if len(self._in_use) > self._most:
            coldest, cold = self._in_use.popitem(last=False)
            self._packed[coldest] = pack(cold)
        return profile


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


_values_of = {kind: attrgetter(*_names(kind)) for kind in (Profile, Seen, Point, Device, Failure)}
_PROFILE, _POINT_IN_DEVICE = _names(Profile), _names(Device).index("point")


def pack(profile: Profile) -> bytes:
    """Write a profile as small as JSON allows: values without their names."""
    seen, point, device, failure = (_values_of[kind] for kind in (Seen, Point, Device, Failure))
    held = dict(zip(_PROFILE, _values_of[Profile](profile), strict=True))
    held["last"] = point(profile.last) if profile.last is not None else None
    held["seen"] = {key: seen(value) for key, value in profile.seen.items()}
    for name in ("devices", "sessions"):
        held[name] = {key: _packed_device(device(value)) for key, value in held[name].items()}
    held["failures"] = [failure(value) for value in profile.failures]
    return zlib.compress(json.dumps(list(held.values()), separators=(",", ":")).encode(), FASTEST)


def unpack(packed: bytes) -> Profile:
    """Read a packed profile."""
    held = dict(zip(_PROFILE, json.loads(zlib.decompress(packed)), strict=True))
    held["last"] = Point(*held["last"]) if held["last"] is not None else None
    held["seen"] = {key: Seen(*value) for key, value in held["seen"].items()}
    for name in ("devices", "sessions"):
        held[name] = {key: _device(value) for key, value in held[name].items()}
    held["failures"] = [Failure(*value) for value in held["failures"]]
    return Profile(**held)


def _packed_device(values: tuple[Any, ...]) -> list[Any]:
    packed = list(values)
    packed[_POINT_IN_DEVICE] = _values_of[Point](packed[_POINT_IN_DEVICE])
    return packed


def _device(values: list[Any]) -> Device:
    values[_POINT_IN_DEVICE] = Point(*values[_POINT_IN_DEVICE])
    return Device(*values)
