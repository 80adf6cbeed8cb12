"""The kinds of values that the API takes: each says what it is (JSON Schema 2020-12) and checks what comes.

One description makes the OpenAPI document and the answer 422, so neither can say what the other does not.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Schema = dict[str, Any]


class Kind(Protocol):
    """A kind of value."""

    def schema(self) -> Schema:
        """Return it as JSON Schema."""

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value, None when nothing is."""


@dataclass(frozen=True)
class Text:
    """Text of one line that can be shown. What breaks lines or turns the direction of writing is refused.

    :param may_be_empty: or blank.
    """

    longest: int
    may_be_empty: bool = False

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "string", "maxLength": self.longest} | ({} if self.may_be_empty else {"minLength": 1})

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        if not isinstance(value, str) or not (value.strip() or self.may_be_empty):
            return "must be text"
        if len(value) > self.longest:
            return f"has more than {self.longest} characters"
        return None if value.isprintable() else "has characters that cannot be shown"


@dataclass(frozen=True)
class Lines:
    """Text of several lines, each of which can be shown; none at all will do."""

    longest: int

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "string", "maxLength": self.longest}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        if not isinstance(value, str):
            return "must be text"
        return Text(self.longest, may_be_empty=True).problem(re.sub(r"\r\n|[\n\t]", " ", value))


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: Sequence[str]

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "string", "enum": list(self.words)}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        is_one = isinstance(value, str) and value in self.words
        return None if is_one else f"must be one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Date:
    """A day."""

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "string", "format": "date"}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        is_one = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII)
        return None if is_one else "must be a day like 2026-11-26"


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "boolean"}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        return None if isinstance(value, bool) else "must be true or false"


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    least: int
    most: int

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        is_one = isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most
        return None if is_one else f"must be a whole number from {self.least} to {self.most}"

    def read(self, text: str) -> int | None:
        """Return the number that an address has, None when it is none of these."""
        is_number = re.fullmatch(r"-?\d{1,12}", text, re.ASCII) is not None
        return int(text) if is_number and self.problem(int(text)) is None else None


@dataclass(frozen=True)
class Several:
    """A list of values of one kind."""

    kind: Kind
    most: int

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "array", "items": self.kind.schema(), "maxItems": self.most}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        if not isinstance(value, list) or len(value) > self.most:
            return f"must be a list of at most {self.most}"
        return next((f"one {why}" for item in value if (why := self.kind.problem(item))), None)


@dataclass(frozen=True)
class Document:
    """A JSON object with rules of its own, which whoever takes it checks."""

    about: str

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return {"type": "object", "description": self.about}

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        return None if isinstance(value, dict) else "must be an object"


@dataclass(frozen=True)
class Table:
    """A JSON object within another: these members and no others."""

    members: Mapping[str, "Member"]

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return Body(self.members).schema()

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value."""
        if not isinstance(value, dict):
            return "must be an object"
        return "; ".join(f"{name} {why}" for name, why in Body(self.members).problems(value)) or None


@dataclass(frozen=True)
class Member:
    """One member of a body, or one parameter."""

    kind: Kind
    about: str = ""
    required: bool = False

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        return self.kind.schema() | ({"description": self.about} if self.about else {})


@dataclass(frozen=True)
class Body:
    """A JSON object: these members and no others.

    :param together: what is wrong with members that are right one by one.
    """

    members: Mapping[str, Member] = field(default_factory=dict)
    together: Callable[[Mapping[str, Any]], list[tuple[str, str]]] = lambda _value: []

    @property
    def is_required(self) -> bool:
        """Whether there is anything that has to be said."""
        return any(member.required for member in self.members.values())

    def schema(self) -> Schema:
        """Return it as JSON Schema."""
        required = [name for name, member in self.members.items() if member.required]
        return {
            "type": "object",
            "properties": {name: member.schema() for name, member in self.members.items()},
            "additionalProperties": False,
        } | ({"required": required} if required else {})

    def problems(self, value: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return everything that is wrong, each with its JSON pointer (RFC 6901)."""
        found = [(f"/{_escaped(name)}", "is not known") for name in value.keys() - self.members.keys()]
        for name, member in self.members.items():
            if name in value:
                why = member.kind.problem(value[name])
                found += [(f"/{name}", why)] if why else []
            elif member.required:
                found.append((f"/{name}", "is missing"))
        return sorted(found + self.together(value))


# What answers consist of

TEXT: Schema = {"type": "string"}
TEXT_OR_NOTHING: Schema = {"type": ["string", "null"]}
TIME_OR_NOTHING: Schema = {"type": ["string", "null"], "format": "date-time"}
NUMBER: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
ANYTHING: Schema = {"type": "object"}


def several(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def shaped(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _escaped(name: str) -> str:
    """Return a member's name in a JSON pointer, not longer than needed to find it."""
    return name[:64].encode("ascii", "backslashreplace").decode().replace("~", "~0").replace("/", "~1")
