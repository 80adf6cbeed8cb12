"""What an expression becomes: a small tree that can be asked and never changes. Unknown is None, as Kleene has it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from idprotect.conditional_access.expressions.vocabulary import Fact
from idprotect.conditional_access.facts import UNKNOWN, AccessRequest

Words = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Node:
    """Something that is so or not.

    :param start: where it begins in the text.
    :param end: where it ends.
    """

    start: int
    end: int

    def value(self, request: AccessRequest) -> bool | None:
        """Return whether it is so; None where nobody can tell."""
        raise NotImplementedError

    def failing(self, request: AccessRequest) -> Iterator["Node"]:
        """Return the parts by which it is false; asked only when it is."""
        yield self

    def facts(self) -> Iterator[str]:
        """Return the names of the facts that it is about."""
        raise NotImplementedError

    def words(self) -> Words:
        """Return the texts that facts are compared with, each with the name of the fact."""
        return iter(())


@dataclass(frozen=True, slots=True)
class _Joined(Node):
    """Several parts."""

    parts: tuple[Node, ...]

    def facts(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.facts()

    def words(self) -> Words:
        for part in self.parts:
            yield from part.words()


@dataclass(frozen=True, slots=True)
class And(_Joined):
    """All of them are so. One that is false settles it, whatever else is unknown."""

    def value(self, request: AccessRequest) -> bool | None:
        found: bool | None = True
        for part in self.parts:
            value = part.value(request)
            if value is False:
                return False
            if value is None:
                found = None
        return found

    def failing(self, request: AccessRequest) -> Iterator[Node]:
        for part in self.parts:
            if part.value(request) is False:
                yield from part.failing(request)


@dataclass(frozen=True, slots=True)
class Or(_Joined):
    """One of them is so. One that is true settles it, whatever else is unknown."""

    def value(self, request: AccessRequest) -> bool | None:
        found: bool | None = False
        for part in self.parts:
            value = part.value(request)
            if value:
                return True
            if value is None:
                found = None
        return found

    def failing(self, request: AccessRequest) -> Iterator[Node]:
        for part in self.parts:
            yield from part.failing(request)


@dataclass(frozen=True, slots=True)
class Not(Node):
    """It is not so. The opposite of unknown is unknown."""

    part: Node

    def value(self, request: AccessRequest) -> bool | None:
        value = self.part.value(request)
        return None if value is None else not value

    def facts(self) -> Iterator[str]:
        return self.part.facts()

    def words(self) -> Words:
        return self.part.words()


@dataclass(frozen=True, slots=True)
class _OfFact(Node):
    """Something about one fact."""

    fact: Fact

    def facts(self) -> Iterator[str]:
        yield self.fact.name


@dataclass(frozen=True, slots=True)
class Truth(_OfFact):
    """A fact that is true or false by itself."""

    def value(self, request: AccessRequest) -> bool | None:
        return bool(self.fact.read(request))


@dataclass(frozen=True, slots=True)
class Among(_OfFact):
    """A fact is one of some values. Whether an unknown one is can be told where the unknown is among them."""

    values: frozenset[Any]

    def value(self, request: AccessRequest) -> bool | None:
        found = self.fact.read(request)
        if found is None:
            return True if UNKNOWN in self.values else None
        return found in self.values

    def words(self) -> Words:
        return ((self.fact.name, value) for value in self.values if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class Has(_OfFact):
    """A text is one of those that a fact has."""

    text: str

    def value(self, request: AccessRequest) -> bool | None:
        return self.text in self.fact.read(request)

    def words(self) -> Words:
        yield self.fact.name, self.text


@dataclass(frozen=True, slots=True)
class Between(_OfFact):
    """A fact stands in some relation to another."""

    other: Fact
    relation: Callable[[Any, Any], bool]

    def value(self, request: AccessRequest) -> bool | None:
        left, right = self.fact.read(request), self.other.read(request)
        return None if left is None or right is None else self.relation(left, right)

    def facts(self) -> Iterator[str]:
        yield self.fact.name
        yield self.other.name


@dataclass(frozen=True, slots=True)
class Matches(_OfFact):
    """A text, or one of a set of texts, is like a pattern.

    :param pieces: what stands between the stars of the pattern.
    """

    pieces: tuple[str, ...]

    def value(self, request: AccessRequest) -> bool | None:
        found = self.fact.read(request)
        return any(_is_like(text, self.pieces) for text in ([found] if isinstance(found, str) else found))


def _is_like(text: str, pieces: tuple[str, ...]) -> bool:
    """Whether a text has the pieces one after the other, from its begin to its end; nothing is tried twice."""
    if len(pieces) == 1:
        return text == pieces[0]
    first, *middle, last = pieces
    place, end = len(first), len(text) - len(last)
    if place > end or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in middle:
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
