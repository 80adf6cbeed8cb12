"""What changed between two policy documents: line by line, and policy by policy."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idprotect.conditional_access.toml import to_toml


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was added, removed or changed.

    :param kind: ``policy``, ``location``, ``test`` or ``break_glass``.
    :param change: ``added``, ``removed`` or ``changed``.
    :param fields: for a changed one, its fields with the value before and after.
    """

    kind: str
    name: str
    change: str
    fields: Mapping[str, tuple[Any, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        fields = {key: {"before": old, "after": new} for key, (old, new) in self.fields.items()}
        return {"kind": self.kind, "name": self.name, "change": self.change, "fields": fields}


def by_name(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what is different, by policy, location and test."""
    found = []
    for kind in ("policy", "location", "test"):
        old, new = _rows(before, kind), _rows(after, kind)
        for name in [*old, *(name for name in new if name not in old)]:
            found += _compared(kind, name, old.get(name), new.get(name))
    glass = [document.get("break_glass") for document in (before, after)]
    return found + _compared("break_glass", "break_glass", *glass)


def unified(before: Mapping[str, Any], after: Mapping[str, Any], old: str, new: str) -> str:
    """Return the difference between two documents as ``diff -u`` writes it.

    :param old: what to call the one before.
    :param new: what to call the one after.
    """
    return lines(to_toml(before), to_toml(after), old, new)


def lines(before: str, after: str, old: str, new: str) -> str:
    """Return the difference between two texts as ``diff -u`` writes it."""
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm=""))


def _rows(document: Mapping[str, Any], kind: str) -> dict[str, Mapping[str, Any]]:
    return {str(row.get("name")): row for row in document.get(kind, [])}


def _compared(
    kind: str, name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> list[Difference]:
    if old == new:
        return []
    if old is None or new is None:
        return [Difference(kind, name, "added" if old is None else "removed", {})]
    keys = [*old, *(key for key in new if key not in old)]
    fields = {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}
    return [Difference(kind, name, "changed", fields)]
