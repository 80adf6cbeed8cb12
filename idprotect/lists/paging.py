"""One page of a list, its size, and its whole.

Pages begin after a key, not at a number, and nothing is counted beyond :data:`COUNTED`: a list of a million rows
answers as fast as one of a hundred.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_

from idprotect.errors import InteractionError
from idprotect.lists.listing import Asked, Condition, Listing
from idprotect.models import session

PAGE_SIZE = 50
EXPORT_SIZE = 1000
COUNTED = 10_000
LARGEST_KEY = 2**31


@dataclass(frozen=True)
class Found:
    """One page of a list.

    :param before, after: where the neighbouring pages end and begin; empty when there is none.
    """

    rows: Sequence[Row[Any]]
    before: str = ""
    after: str = ""


def read(asked: Asked, size: int = PAGE_SIZE) -> Found:
    """Read one page: one row more than it has, to know whether there is another."""
    backwards = bool(asked.before)
    statement = _ordered(asked, backwards)
    if place := asked.before or asked.after:
        statement = statement.where(_beyond(asked, place, backwards))
    rows = list(session().execute(statement.limit(size + 1)).all())
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    if not rows:
        return Found(rows)
    has_before = more if backwards else bool(asked.after)
    has_after = True if backwards else more
    return Found(
        rows,
        _encode(asked, rows[0]) if has_before else "",
        _encode(asked, rows[-1]) if has_after else "",
    )


def count(asked: Asked) -> int:
    """Return how many rows there are, counting no further than one beyond :data:`COUNTED`."""
    listing = asked.listing
    some = listing.joined(select(listing.key)).where(asked.condition()).limit(COUNTED + 1)
    return session().scalar(select(func.count()).select_from(some.subquery())) or 0


def read_one(listing: Listing, key: Any) -> Row[Any] | None:
    """Return the row of a list with a key; None when the list has none."""
    statement = _selected(listing).where(listing.always(), listing.key == key)
    return session().execute(statement).first()


def read_all(asked: Asked) -> Iterator[Row[Any]]:
    """Read every row of a list in its order, page by page, whatever page was asked for."""
    page = replace(asked, after="", before="")
    while True:
        found = read(page, EXPORT_SIZE)
        yield from found.rows
        if not found.after:
            return
        page = replace(page, after=found.after)


def _ordered(asked: Asked, backwards: bool) -> Select[Any]:
    listing = asked.listing
    statement = _selected(listing).where(asked.condition())
    column = listing.column(asked.order.removeprefix("-"))
    downwards = asked.order.startswith("-") != backwards
    parts = (column.value, listing.key)
    return statement.order_by(*(part.desc() if downwards else part.asc() for part in parts))


def _selected(listing: Listing) -> Select[Any]:
    values = {column.name: column.value for column in listing.columns} | dict(listing.hidden)
    labelled = [(value() if callable(value) else value).label(name) for name, value in values.items()]
    return listing.joined(select(*labelled, listing.key.label("key")))


def _beyond(asked: Asked, place: str, backwards: bool) -> Condition:
    column = asked.listing.column(asked.order.removeprefix("-"))
    types = [column.value.type, asked.listing.key.type]
    here = tuple_(*_decode(place, [kind.python_type for kind in types]), types=types)
    key = tuple_(column.value, asked.listing.key)
    return key < here if asked.order.startswith("-") != backwards else key > here


def _encode(asked: Asked, row: Row[Any]) -> str:
    value = row._mapping[asked.order.removeprefix("-")]
    plain = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([plain, row.key]).encode()).decode().rstrip("=")


def _decode(place: str, kinds: Sequence[type]) -> list[Any]:
    """Read a place back; it comes from an address, so whatever is not of the right kind is no place."""
    try:
        values = json.loads(base64.urlsafe_b64decode(place + "=" * (-len(place) % 4)))
        return [_of_kind(value, kind) for value, kind in zip(values, kinds, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InteractionError("This page of the list does not exist.") from None


def _of_kind(value: Any, kind: type) -> Any:
    if kind is datetime and (at := datetime.fromisoformat(value)).tzinfo is not None:
        return at.astimezone(UTC)
    is_text = kind is str and isinstance(value, str) and value.isprintable()
    is_number = kind is int and isinstance(value, int) and abs(value) < LARGEST_KEY
    if is_text or is_number:
        return value
    raise ValueError(value)
