"""How the text of an expression becomes a tree: by reading from left to right, with every kind checked on the way.

The grammar is a part of Python's (Language Reference, section 6): ``or``, ``and``, ``not``, comparisons, ``in``, lists
of texts, and one function. It has its own reader, because Python's takes far more than is meant here, says what is
wrong in the words of programmers, and can be made to fail by what is nested deeply.
"""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from idprotect.conditional_access.expressions import tree
from idprotect.conditional_access.expressions.comparisons import (
    RELATIONS,
    Named,
    Operand,
    Texts,
    compared,
    hint,
)
from idprotect.conditional_access.expressions.tokens import Token, Word, tokens, wrong
from idprotect.conditional_access.expressions.tree import Node
from idprotect.conditional_access.expressions.vocabulary import FACTS, Kind

#: How many characters an expression may have.
MAX_LENGTH = 1_000
#: How deep brackets and ``not`` may stand in one another.
MAX_DEPTH = 20
FUNCTION = "matches"
_WORDS_OF_GRAMMAR = frozenset({"and", "or", "not", "in"})
_TRUTHS = frozenset({"true", "false", "none", "null"})
_USAGE = 'matches(groups, "partner-*")'


def parsed(text: str) -> Node:
    """Return the tree of an expression.

    :raises PolicyError: with one problem, the first from the left.
    """
    if len(text) > MAX_LENGTH:
        raise wrong(MAX_LENGTH, f"an expression has at most {MAX_LENGTH} characters")
    for place, character in enumerate(text):
        if not character.isprintable() and character not in "\t\r\n":
            raise wrong(place, "there is a character that cannot be printed")
    return _Parser(text).whole()


class _Parser:
    """Reads tokens; each method reads what it is called, and leaves what follows."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._is_over():
            raise wrong(0, "there is nothing here")
        found = self._truth(self._either())
        if not self._is_over():
            raise wrong(
                self._next.start, f"{self._next.shown} does not follow here", "say 'and' or 'or' between"
            )
        return found

    # Truths

    def _either(self) -> Operand:
        return self._joined("or", tree.Or, self._both)

    def _both(self) -> Operand:
        return self._joined("and", tree.And, self._negation)

    def _joined(self, word: str, kind: type[Any], read: Callable[[], Operand]) -> Operand:
        found = [read()]
        while self._take(word):
            found.append(read())
        if len(found) == 1:
            return found[0]
        parts = tuple(self._truth(part) for part in found)
        return kind(parts[0].start, parts[-1].end, parts)  # type: ignore[no-any-return]

    def _negation(self) -> Operand:
        start = self._next.start
        if not self._take("not"):
            return self._comparison()
        part = self._truth(self._deeper(self._negation))
        return tree.Not(start, part.end, part)

    def _comparison(self) -> Operand:
        found = [self._operand()]
        pairs: list[Node] = []
        while sign := self._relation():
            found.append(self._operand())
            pairs.append(compared(sign, found[-2], found[-1]))
        if len(pairs) > 1:
            return tree.And(pairs[0].start, pairs[-1].end, tuple(pairs))
        return pairs[0] if pairs else found[0]

    def _relation(self) -> str:
        """Take a sign that compares, if one comes."""
        token = self._next
        if token.written == "is":
            raise wrong(token.start, "'is' has no meaning here", "write '==' or '!='")
        if token.written == "not" and self._tokens[self._at + 1].written == "in":
            self._at += 2
            return "not in"
        if token.written in RELATIONS or token.written == "in":
            self._at += 1
            return token.written
        return ""

    def _truth(self, found: Operand) -> Node:
        """Return what is so or not by itself; a text or a level has to be compared with something."""
        if isinstance(found, Node):
            return found
        if isinstance(found, Texts):
            raise wrong(found.start, "a text says nothing by itself", "compare a fact with it")
        if found.fact.kind is Kind.TRUTH:
            return tree.Truth(found.start, found.end, found.fact)
        raise wrong(found.start, f"{found.fact.name!r} is {found.fact.kind}", hint(found.fact))

    # Facts and texts

    def _operand(self) -> Operand:
        token = self._next
        self._at += not self._is_over()
        if token.word is Word.TEXT:
            return self._one_text(token)
        if token.word is Word.NAME and token.written not in _WORDS_OF_GRAMMAR:
            return self._matches(token) if self._next.written == "(" else self._fact(token)
        if token.written == "[":
            return self._list(token)
        if token.written == "(":
            found = self._deeper(self._either)
            return replace(found, start=token.start, end=self._expect(")").end)
        raise wrong(token.start, f"{token.shown} does not stand here", "a fact is missing, or a text")

    def _one_text(self, token: Token) -> Texts:
        text = token.written[1:-1]
        if not text:
            raise wrong(token.start, "an empty text says nothing")
        return Texts(token.start, token.end, (text,), False)

    def _fact(self, token: Token) -> Named:
        name = token.written
        if name in FACTS:
            return Named(token.start, token.end, FACTS[name])
        if name.lower() in _TRUTHS:
            raise wrong(
                token.start, f"{name!r} has no meaning here", "say 'known_device', or 'not known_device'"
            )
        if name == FUNCTION:
            raise wrong(token.start, f"{name!r} needs brackets", _USAGE)
        alike = get_close_matches(name, FACTS, 1)
        possible = f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join(FACTS)}"
        raise wrong(token.start, f"no fact is called {name[:40]!r}", possible)

    def _list(self, opening: Token) -> Texts:
        texts: list[str] = []
        while self._next.written != "]":
            token = self._next
            if token.word is not Word.TEXT:
                raise wrong(
                    token.start, f"{token.shown} does not stand here", 'a list has texts: ["DE", "AT"]'
                )
            self._at += 1
            texts += self._one_text(token).texts
            if self._next.written != "]":
                self._expect(",")
        closing = self._expect("]")
        if not texts:
            raise wrong(opening.start, "an empty list says nothing")
        return Texts(opening.start, closing.end, tuple(texts), True)

    def _matches(self, name: Token) -> Node:
        if name.written != FUNCTION:
            raise wrong(name.start, f"no function is called {name.written[:40]!r}", f"there is {_USAGE}")
        self._expect("(")
        subject = self._operand()
        self._expect(",")
        pattern = self._operand()
        closing = self._expect(")")
        if not isinstance(subject, Named) or subject.fact.kind not in (Kind.TEXT, Kind.TEXTS):
            raise wrong(subject.start, "this cannot be like a pattern", _USAGE)
        if not isinstance(pattern, Texts) or pattern.is_list:
            raise wrong(pattern.start, "a pattern is a text", _USAGE)
        if subject.fact.kind is Kind.TEXT and not pattern.texts[0].strip("*"):
            raise wrong(pattern.start, "every text is like this")
        pieces = tuple(pattern.texts[0].split("*"))
        return tree.Matches(name.start, closing.end, subject.fact, pieces)

    # Tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _is_over(self) -> bool:
        return self._next.word is Word.END

    def _take(self, word: str) -> bool:
        is_there = self._next.written == word
        self._at += is_there
        return is_there

    def _expect(self, sign: str) -> Token:
        token = self._next
        if not self._take(sign):
            raise wrong(token.start, f"{sign!r} is missing before {token.shown}")
        return token

    def _deeper(self, read: Callable[[], Operand]) -> Operand:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise wrong(self._next.start, f"more than {MAX_DEPTH} brackets and 'not' stand in one another")
        found = read()
        self._depth -= 1
        return found
