"""Finds expressions that say the same in every case: a mistake, which would hide that a policy is about everybody."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

from idprotect.conditional_access.expressions.tree import Among, And, Leaf, Node, Not, Or
from idprotect.conditional_access.expressions.vocabulary import Kind
from idprotect.risk.levels import RiskLevel

#: How many combinations are tried; an expression that has more is taken as it is.
MOST = 1_024

Case = Mapping[Hashable, Any]


def constant(root: Node) -> bool | None:
    """Return what an expression says in every case; None where that depends, or takes too long to tell.

    More cases are tried than there can be, so what is called constant is: a fact that is compared with values is each
    of them and another one, and whatever else is said of a fact is so or not.
    """
    choices: dict[Hashable, set[Any]] = {}
    for leaf in root.leaves():
        choices.setdefault(_variable(leaf), set()).update(_values(leaf))
    if prod(map(len, choices.values())) > MOST:
        return None
    said: set[bool] = set()
    for case in product(*choices.values()):
        said.add(_says(root, dict(zip(choices, case, strict=True))))
        if len(said) > 1:
            return None
    return said.pop()


def _variable(leaf: Leaf) -> Hashable:
    """Return what a leaf depends on: its fact where it has values, else all that it says, wherever it stands."""
    return leaf.fact.name if isinstance(leaf, Among) else replace(leaf, start=0, end=0)


def _values(leaf: Leaf) -> Iterable[Any]:
    if not isinstance(leaf, Among):
        return (True, False)
    return RiskLevel if leaf.fact.kind is Kind.LEVEL else (*leaf.values, None)


def _says(node: Node, case: Case) -> bool:
    if isinstance(node, Leaf):
        found = case[_variable(node)]
        return found in node.values if isinstance(node, Among) else bool(found)
    if isinstance(node, And):
        return all(_says(part, case) for part in node.parts)
    if isinstance(node, Or):
        return any(_says(part, case) for part in node.parts)
    assert isinstance(node, Not)
    return not _says(node.part, case)
