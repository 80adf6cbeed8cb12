"""The words and signs of an expression. What is none of them is refused before anything else looks at it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from idprotect.errors import PolicyError, Problem

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<text>"[^"\\\r\n]*"|'[^'\\\r\n]*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>==|!=|<=|>=|[<>()\[\],])""",
    re.VERBOSE,
)
#: What people write who know it from elsewhere.
_MEANT = {
    "=": "write '==' to compare",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not', or '!=' to compare",
    "\\": "nothing can be escaped; a text with one kind of quotes stands in the other",
    '"': "a text has to end with the quotes with which it begins",
    "'": "a text has to end with the quotes with which it begins",
    **dict.fromkeys("“”„‟‘’«»`", "write straight quotes, \" or '"),
    **dict.fromkeys("0123456789", "no fact is a number"),
    "{": "a list stands in [ ]",
}


class Word(StrEnum):
    """What a token is."""

    TEXT = "text"
    NAME = "name"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign, and where it stands."""

    word: Word
    written: str
    start: int
    end: int

    @property
    def shown(self) -> str:
        """How a message names it."""
        return repr(self.written) if self.written else "the end"


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text, and an end.

    :raises PolicyError: for a character that is part of none.
    """
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            character = text[place]
            raise wrong(place, f"{character!r} has no meaning here", _MEANT.get(character, ""))
        if found.lastgroup != "space":
            yield Token(Word(str(found.lastgroup)), found[0], place, found.end())
        place = found.end()
    yield Token(Word.END, "", place, place)


def wrong(place: int, what: str, hint: str = "") -> PolicyError:
    """Return the error at a place in the text, counted from 0 here and from 1 for people."""
    return PolicyError(
        [Problem(f"'expression', character {place + 1}: {what}" + (f"; {hint}" if hint else ""))]
    )
