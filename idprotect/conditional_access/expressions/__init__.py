"""The expression of a policy: one more condition, written in a small part of Python's own expressions. Pure."""

from dataclasses import dataclass, field

from idprotect.conditional_access.expressions.constant import constant
from idprotect.conditional_access.expressions.parser import MAX_LENGTH, parsed
from idprotect.conditional_access.expressions.tokens import wrong
from idprotect.conditional_access.expressions.tree import Node
from idprotect.conditional_access.expressions.vocabulary import FACTS, Kind
from idprotect.conditional_access.facts import AccessRequest

__all__ = ["FACTS", "MAX_LENGTH", "Expression", "Kind"]


@dataclass(frozen=True, slots=True)
class Expression:
    """What has to be so for a policy to apply, read once and asked at each decision.

    An answer is true, false, or unknown where a fact is (Kleene's three-valued logic).

    :ivar text: as it was written.
    :ivar facts: the names of the facts that it is about.
    """

    text: str
    facts: frozenset[str] = field(compare=False, repr=False)
    _root: Node = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """Read what somebody wrote; nothing of it is ever run.

        :raises PolicyError: with where it is wrong, how, and what is possible.
        """
        root = parsed(text)
        if (said := constant(root)) is not None:
            raise wrong(0, f"this is {'always' if said else 'never'} so")
        return cls(text, _facts(root), root)

    def value(self, request: AccessRequest) -> bool | None:
        """Return whether it is so; None where nobody can tell."""
        return self._root.value(request)

    def holds(self, request: AccessRequest) -> bool:
        """Whether the policy applies: it only ever restricts, so it does unless this is known to be false."""
        return self._root.value(request) is not False

    def failing(self, request: AccessRequest) -> dict[str, frozenset[str]]:
        """Return the parts by which it is false, as they were written, with the facts that each names."""
        if self.holds(request):
            return {}
        parts = self._root.failing(request)
        return {self.text[part.start : part.end]: _facts(part) for part in parts}

    def words(self, fact: str) -> frozenset[str]:
        """Return the texts with which a fact is compared."""
        return frozenset(
            word for leaf in self._root.leaves() if leaf.fact.name == fact for word in leaf.words
        )


def _facts(node: Node) -> frozenset[str]:
    return frozenset(name for leaf in node.leaves() for name in leaf.facts)
