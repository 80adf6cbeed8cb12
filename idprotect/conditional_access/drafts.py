"""Changing one entry of a policy document: each function returns another document, and leaves its own as it was."""

from collections.abc import Mapping
from typing import Any

from idprotect.conditional_access.policy import PolicyState
from idprotect.errors import NotFound

Document = Mapping[str, Any]


def find(document: Document, kind: str, name: str) -> dict[str, Any]:
    """Return the policy or location that is called so.

    :param kind: ``policy`` or ``location``.
    :raises NotFound: when none is.
    """
    for row in document.get(kind, []):
        if row.get("name") == name:
            return dict(row)
    raise NotFound(f"no {kind} is called {name!r}")


def with_entry(document: Document, kind: str, row: Document, instead_of: str | None = None) -> dict[str, Any]:
    """Return a document with one entry more, or with one in the place of another.

    :param instead_of: the name of the other; None adds it as the last.
    :raises NotFound: when there is no other.
    """
    rows = list(document.get(kind, []))
    if instead_of is None:
        return {**document, kind: [*rows, dict(row)]}
    find(document, kind, instead_of)
    return {**document, kind: [dict(row) if other.get("name") == instead_of else other for other in rows]}


def without_entry(document: Document, kind: str, name: str) -> dict[str, Any]:
    """Return a document without one entry.

    :raises NotFound: when there is none.
    """
    find(document, kind, name)
    return {**document, kind: [row for row in document[kind] if row.get("name") != name]}


def with_state(document: Document, name: str, state: PolicyState) -> dict[str, Any]:
    """Return a document in which one policy has another state.

    :raises NotFound: when no policy is called so.
    """
    row = find(document, "policy", name)
    return with_entry(document, "policy", row | {"state": str(state)}, instead_of=name)
