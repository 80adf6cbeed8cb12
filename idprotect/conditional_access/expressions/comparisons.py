"""What can be compared in an expression with what: both sides have to be of one kind, and say something."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from idprotect.conditional_access.expressions import tree
from idprotect.conditional_access.expressions.tokens import wrong
from idprotect.conditional_access.expressions.tree import Node
from idprotect.conditional_access.expressions.vocabulary import Fact, Kind
from idprotect.risk.levels import RiskLevel

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
RELATIONS = _ORDER | {"==": operator.eq, "!=": operator.ne}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITES = {"!=": "==", "not in": "in"}
_HINTS = {
    Kind.TRUTH: "say '{0}', or 'not {0}'",
    Kind.LEVEL: 'ask for {0} >= "medium"',
    Kind.COUNTRY: 'ask for {0} in ["DE", "AT"]',
    Kind.PLATFORM: 'ask for {0} == "ios"',
    Kind.TEXT: 'ask for {0} == "…"',
    Kind.TEXTS: 'ask for "…" in {0}',
}


@dataclass(frozen=True, slots=True)
class Texts:
    """One text, or a list of them."""

    start: int
    end: int
    texts: tuple[str, ...]
    is_list: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A fact, named."""

    start: int
    end: int
    fact: Fact


Side = Texts | Named
Operand = Node | Side


def compared(sign: str, left: Operand, right: Operand) -> Node:
    """Return the node of one comparison, whose sides have to be of one kind."""
    start, end = left.start, right.end
    if sign in _OPPOSITES:
        return tree.Not(start, end, compared(_OPPOSITES[sign], left, right))
    for side in (left, right):
        if isinstance(side, Node):
            raise wrong(side.start, "this is true or false already, and cannot be compared")
    if isinstance(left, Named) and isinstance(right, Texts):
        compare = _in_list if sign == "in" else _of_text
        return compare(start, end, sign, left, right)
    if isinstance(right, Named) and not isinstance(left, Node):
        if sign == "in":
            return _in_set(start, end, left, right)
        if isinstance(left, Named):
            return _between(start, end, sign, left, right)
        return _of_text(start, end, _TURNED.get(sign, sign), right, left)
    raise wrong(start, "no fact is compared here")


def _of_text(start: int, end: int, sign: str, named: Named, texts: Texts) -> Node:
    _check_comparable(named, sign)
    if texts.is_list:
        raise wrong(texts.start, "a list stands after 'in' alone")
    (value,) = _values(named.fact, texts)
    if named.fact.kind is not Kind.LEVEL:
        return tree.Among(start, end, named.fact, frozenset({value}))
    relation = RELATIONS[sign]
    return _of_levels(
        start, end, named.fact, frozenset(level for level in RiskLevel if relation(level, value))
    )


def _in_list(start: int, end: int, sign: str, named: Named, texts: Texts) -> Node:
    _check_comparable(named, sign)
    if not texts.is_list:
        raise wrong(texts.start, "a list stands after 'in'", 'write ["DE", "AT"]')
    values = _values(named.fact, texts)
    if named.fact.kind is Kind.LEVEL:
        return _of_levels(start, end, named.fact, values)
    return tree.Among(start, end, named.fact, values)


def _in_set(start: int, end: int, side: Side, named: Named) -> Node:
    if named.fact.kind is not Kind.TEXTS:
        raise wrong(named.start, f"{named.fact.name!r} is {named.fact.kind}", hint(named.fact))
    if not isinstance(side, Texts) or side.is_list:
        raise wrong(side.start, f"one text is looked for in {named.fact.name!r}", hint(named.fact))
    return tree.Has(start, end, named.fact, side.texts[0])


def _of_levels(start: int, end: int, fact: Fact, levels: frozenset[RiskLevel]) -> Node:
    if not levels:
        raise wrong(start, "this is never so")
    if len(levels) == len(RiskLevel):
        raise wrong(start, "this is always so")
    return tree.Among(start, end, fact, levels)


def _between(start: int, end: int, sign: str, left: Named, right: Named) -> Node:
    _check_comparable(left, sign)
    if left.fact.kind is not right.fact.kind:
        kinds = f"{left.fact.name!r} is {left.fact.kind}, and {right.fact.name!r} is {right.fact.kind}"
        raise wrong(start, kinds, "only what is of one kind can be compared")
    if left.fact is right.fact:
        raise wrong(start, f"{left.fact.name!r} is compared with itself")
    return tree.Between(start, end, left.fact, right.fact, RELATIONS[sign])


def _check_comparable(named: Named, sign: str) -> None:
    fact = named.fact
    if fact.kind in (Kind.TRUTH, Kind.TEXTS):
        raise wrong(named.start, f"{fact.name!r} is {fact.kind}", hint(fact))
    if sign in _ORDER and fact.kind is not Kind.LEVEL:
        raise wrong(named.start, f"{fact.name!r} is {fact.kind}, which has no order", hint(fact))


def _values(fact: Fact, texts: Texts) -> frozenset[Any]:
    try:
        return frozenset(fact.kind.read(text) for text in texts.texts)
    except ValueError as error:
        raise wrong(texts.start, str(error)) from None


def hint(fact: Fact) -> str:
    """Return how a fact of its kind is asked about."""
    return _HINTS[fact.kind].format(fact.name)
