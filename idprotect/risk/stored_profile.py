"""The forms in which a profile is stored: values without their names, some two kilobytes as JSON.

What was stored before there was a field more is read with that field's default.
"""

from typing import Any

from msgspec import convert, msgpack, to_builtins

from idprotect.risk.profile import Profile

#: To bytes and back, for what stays in memory.
pack = msgpack.Encoder().encode
unpack = msgpack.Decoder(Profile).decode


def dump(profile: Profile) -> list[Any]:
    """Return what to store of a profile in a column of JSON."""
    stored: list[Any] = to_builtins(profile)
    return stored


def load(stored: list[Any]) -> Profile:
    """Make a profile from what was stored of it."""
    return convert(stored, Profile)
