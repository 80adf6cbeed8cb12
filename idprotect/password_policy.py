"""Which new passwords are accepted, and how strong one is: NIST SP 800-63B-4, section 3.1.1.2.

Length and a blocklist decide, and nothing else: no rules of composition, no changing by the calendar.
Strength is told to the person and refuses nothing. Hashing and comparing are done elsewhere.
"""

import threading
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from idprotect.intelligence.breached_passwords import common_passwords

#: The hash must never be fed without bound; 1024 bytes leave room for 64 characters of any script.
MOST_BYTES = 1024

#: A context word may occur, but must not be most of the password: this many different characters must remain.
CHARACTERS_BESIDE_CONTEXT = 8
SHORTEST_CONTEXT_WORD = 3

#: "abcabcabc…" is as easily guessed as its first round, up to rounds of this length.
SHORTEST_ROUND = 4

#: zxcvbn is imported where it is used: its lists take 12 MiB, and most processes never see a new password.
ZXCVBN_LENGTH = 72
ZXCVBN_BUDGET = 100_000
ENOUGH_FOR_TOP_SCORE = 12


class Code(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_TEXT = "not_text"
    COMMON = "common"
    CONTEXT_WORD = "context_word"
    BREACHED = "breached"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason to refuse a password, with a sentence for the person who chose it."""

    code: Code
    message: str


@dataclass(frozen=True, slots=True)
class Strength:
    """How hard a password is to guess, from 0 to 4."""

    score: int
    label: str
    suggestions: tuple[str, ...]


LABELS = ("very weak", "weak", "fair", "strong", "very strong")


def normalise(password: str) -> str:
    """Return the one form in which a password is measured, hashed and looked up, on any keyboard."""
    return unicodedata.normalize("NFC", password)


def check(
    password: str, *, context_words: Iterable[str], min_length: int, breached: Callable[[str], int | None]
) -> list[Problem]:
    """Return every reason to refuse the password; none means that it is accepted.

    :param context_words: what an attacker who knows the person tries first: user name, mail address, names of
        the service.
    :param breached: how often a password was seen in breaches. None, not evaluated, refuses nothing: the
        shipped list of common passwords still stands.
    """
    problem = _unmeasurable(password)
    if problem is not None:
        return [problem]
    password = normalise(password)
    problems = (
        _too_short(password, min_length),
        _common(password),
        _made_of_context(password, context_words),
        _breached(password, breached),
    )
    return [problem for problem in problems if problem is not None]


def _unmeasurable(password: str) -> Problem | None:
    """Refuse what would cost too much to look at, before looking at it, and what cannot be encoded."""
    too_long = Problem(Code.TOO_LONG, f"Please use at most {MOST_BYTES} bytes.")
    if len(password) > MOST_BYTES:
        return too_long
    try:
        size = len(normalise(password).encode())
    except UnicodeEncodeError:
        return Problem(Code.NOT_TEXT, "The password contains half a character. Please type it again.")
    return too_long if size > MOST_BYTES else None


def _too_short(password: str, min_length: int) -> Problem | None:
    if len(password) >= min_length:
        return None
    message = f"Please use at least {min_length} characters; these are {len(password)}."
    return Problem(Code.TOO_SHORT, f"{message} Several words in a row are easy to remember.")


def _common(password: str) -> Problem | None:
    folded = password.casefold()
    once = folded[: _round(folded)]
    is_chant = once != folded and len(once) <= SHORTEST_ROUND
    if is_chant or not _common_words().isdisjoint((folded, once)):
        return Problem(Code.COMMON, "That is one of the passwords that attackers try first.")
    return None


def _round(text: str) -> int:
    """Measure the shortest beginning that makes the text when repeated; the last round may be cut."""
    # Knuth, Morris, Pratt: border[i] is the longest proper prefix of text[:i] that also ends it.
    border = [0] * (len(text) + 1)
    length = 0
    for end in range(1, len(text)):
        while length and text[end] != text[length]:
            length = border[length]
        length += text[end] == text[length]
        border[end + 1] = length
    period = len(text) - border[len(text)]
    return period if period * 2 <= len(text) else len(text)


def _made_of_context(password: str, context_words: Iterable[str]) -> Problem | None:
    rest = password.casefold()
    found = None
    for word in sorted(_parts(context_words), key=lambda part: (-len(part), part)):
        if word in rest:
            found = found or word
            rest = rest.replace(word, "")
    if found is None or len(set(rest)) >= CHARACTERS_BESIDE_CONTEXT:
        return None
    message = f"“{found}” is most of that password, and it is easy to guess of you. Please add other words."
    return Problem(Code.CONTEXT_WORD, message)


def _parts(context_words: Iterable[str]) -> set[str]:
    """Return the words and what they are made of: alice.smith@example.org, alice.smith, alice, smith, …"""
    parts: set[str] = set()
    for word in context_words:
        folded = normalise(word).casefold().strip()
        spaced = "".join(character if character.isalnum() else " " for character in folded)
        parts.update((folded, folded.partition("@")[0], *spaced.split()))
    return {part for part in parts if len(part) >= SHORTEST_CONTEXT_WORD}


def _breached(password: str, breached: Callable[[str], int | None]) -> Problem | None:
    count = breached(password)
    if not count:
        return None
    times = "once" if count == 1 else f"{count:,} times"
    return Problem(
        Code.BREACHED, f"That password was found {times} in stolen data. Please choose one used nowhere else."
    )


@cache
def _common_words() -> frozenset[str]:
    """Return the shipped list and zxcvbn's thirty thousand, all folded."""
    from zxcvbn import matching

    shipped = (normalise(word).casefold() for word in common_passwords())
    return frozenset((*shipped, *matching.RANKED_DICTIONARIES["passwords"]))


_zxcvbn_turn = threading.Lock()


def strength(password: str, context_words: Iterable[str] = ()) -> Strength:
    """Estimate how hard the password is to guess, with advice in English."""
    from zxcvbn import zxcvbn

    if not password:
        return Strength(0, LABELS[0], ())  # zxcvbn stumbles over it
    part = _affordable(normalise(password[:MOST_BYTES])[:ZXCVBN_LENGTH])
    with _zxcvbn_turn:  # it keeps the words of one caller in a global, where another would find them
        result = zxcvbn(part, user_inputs=sorted(_parts(context_words)))
    feedback = result["feedback"]
    advice = (feedback["warning"], *feedback["suggestions"])
    return Strength(result["score"], LABELS[result["score"]], tuple(text for text in advice if text))


def _affordable(password: str) -> str:
    """Shorten a password full of look-alikes (4@8({[<): zxcvbn tries all readings, for seconds.

    What is dropped could only raise the score, and twelve such characters already reach the top.
    """
    from zxcvbn import matching

    while len(password) > ENOUGH_FOR_TOP_SCORE:
        substitutions = matching.relevant_l33t_subtable(password, matching.L33T_TABLE)
        readings = len(matching.enumerate_l33t_subs(substitutions))
        if readings * len(password) ** 2 <= ZXCVBN_BUDGET:
            break
        password = password[: len(password) * 3 // 4]
    return password
