"""What an expression becomes: a small tree that can be asked and never changes. Unknown is None, as Kleene has it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from idprotect.conditional_access.expressions.vocabulary import Fact
from idprotect.conditional_access.facts import UNKNOWN, AccessRequest


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

    def leaves(self) -> Iterator["Leaf"]:
        """Return what it is made of, down to single facts."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Joined(Node):
    """Several parts."""

    parts: tuple[Node, ...]

    def leaves(self) -> Iterator["Leaf"]:
        for part in self.parts:
            yield from part.leaves()


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

    def leaves(self) -> Iterator["Leaf"]:
        return self.part.leaves()


@dataclass(frozen=True, slots=True)
class Leaf(Node):
    """Something about one fact, or two."""

    fact: Fact

    def leaves(self) -> Iterator["Leaf"]:
        yield self

    @property
    def facts(self) -> frozenset[str]:
        """The names of the facts that it is about."""
        return frozenset({self.fact.name})

    @property
    def words(self) -> frozenset[str]:
        """The texts with which its fact is compared."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Truth(Leaf):
    """A fact that is true or false by itself."""

    def value(self, request: AccessRequest) -> bool | None:
        return bool(self.fact.read(request))


@dataclass(frozen=True, slots=True)
class Among(Leaf):
    """A fact is one of some values. Whether an unknown one is can be told where the unknown is among them."""

    values: frozenset[Any]

    def value(self, request: AccessRequest) -> bool | None:
        found = self.fact.read(request)
        if found is None:
            return True if UNKNOWN in self.values else None
        return found in self.values

    @property
    def words(self) -> frozenset[str]:
        return frozenset(value for value in self.values if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class Has(Leaf):
    """A text is one of those that a fact has."""

    text: str

    def value(self, request: AccessRequest) -> bool | None:
        return self.text in self.fact.read(request)

    @property
    def words(self) -> frozenset[str]:
        return frozenset({self.text})


@dataclass(frozen=True, slots=True)
class Between(Leaf):
    """A fact stands in some relation to another."""

    other: Fact
    relation: Callable[[Any, Any], bool]

    def value(self, request: AccessRequest) -> bool | None:
        left, right = self.fact.read(request), self.other.read(request)
        return None if left is None or right is None else self.relation(left, right)

    @property
    def facts(self) -> frozenset[str]:
        return frozenset({self.fact.name, self.other.name})


@dataclass(frozen=True, slots=True)
class Matches(Leaf):
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
