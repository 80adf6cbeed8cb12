"""Writes a policy document as TOML, such that reading it gives the very same document; and reads it."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from idprotect.errors import PolicyError

# What people look for first comes first; what is not named here follows.
_ORDER = (
    *("break_glass", "location", "policy", "test"),
    *("name", "title", "state", "who", "clients", "when", "then", "facts", "expect", "policies"),
)
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")


def from_toml(text: str) -> dict[str, Any]:
    """Return the document of a policy file, whose rules are not looked at yet.

    :raises PolicyError: for what is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"This is no TOML: {error}"]) from None
    except RecursionError:
        raise PolicyError(["This is no policy file: something in it is nested too deeply."]) from None


def to_toml(document: Mapping[str, Any]) -> str:
    """Return the text of a policy file. Comments are not kept: they were never stored."""
    blocks = []
    for name, value in _sorted(document):
        if isinstance(value, Mapping):
            blocks.append([f"[{_key(name)}]", *_lines(value)])
        else:
            blocks += [[f"[[{_key(name)}]]", *_lines(row)] for row in value]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n" if blocks else ""


def _sorted(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    places = {name: place for place, name in enumerate(_ORDER)}
    return sorted(table.items(), key=lambda item: places.get(item[0], len(places)))


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(name)} = {_value(value)}" for name, value in _sorted(table)]


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    # JSON escapes are TOML's, but for the one control character that JSON lets stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
