"""Lists at the API: the very columns, filters and orders of the console's, read by an opaque cursor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify
from sqlalchemy import ColumnElement, Row, and_
from werkzeug.datastructures import MultiDict

from idprotect.api import schemas
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, Route
from idprotect.api.schemas import Choice, Date, Kind, Member, Schema, Text, Whole
from idprotect.errors import InteractionError
from idprotect.lists import paging
from idprotect.lists.listing import LONGEST_TEXT, Asked, Column, Filter, Listing
from idprotect.risk import RiskLevel, RiskState

USUAL_SIZE, LARGEST_SIZE = 50, 200
LONGEST_CURSOR = 1024

#: What a cell is by the kind of its column; the rest is text.
CELLS: Mapping[str, Schema] = {
    "time": schemas.TIME_OR_NOTHING,
    "level": {"type": "string", "enum": [level.label for level in RiskLevel]},
    "state": {"type": "string", "enum": [str(state) for state in RiskState]},
    "yes": schemas.TRUTH,
    "items": schemas.TEXTS,
    "details": schemas.ANYTHING,
}


@dataclass(frozen=True)
class Listed:
    """One list, at one path.

    :param of: narrows it down to what belongs to the thing in the path.
    :param prepare: what has to be done before it is read.
    """

    path: str
    name: str
    tag: str
    summary: str
    scope: str
    listing: Listing
    of: Callable[[Any], ColumnElement[bool]] | None = None
    exists: Callable[[Any], bool] = lambda _key: True
    prepare: Callable[[], object] = lambda: None

    def route(self) -> Route:
        """Return its route."""
        return Route(
            method="GET",
            path=self.path,
            name=self.name,
            tag=self.tag,
            summary=self.summary,
            scopes=(self.scope,),
            view=self._view,
            parameters=parameters(self.listing),
            answers={200: Answer("One page.", page_schema(self.listing))},
            refusals=(404,) if self.of else (),
        )

    def _view(self, call: Call) -> Response:
        self.prepare()
        listing = self.listing
        if self.of is not None:
            (key,) = call.path.values()
            mine, narrow = self.of(key), listing.always
            listing = replace(listing, always=lambda: and_(narrow(), mine))
        page = read(listing, call.query)
        if self.of is not None and not page["items"] and not self.exists(key):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such thing.")
        return jsonify(page)


def read(listing: Listing, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of a list, and where the next one begins.

    :raises Problem: for an answer or cursor that makes no sense.
    """
    texts = {name: value for name, value in query.items() if isinstance(value, str)}
    texts["after"] = texts.pop("cursor", "")
    try:
        found = paging.read(Asked.of(listing, MultiDict(texts)), query.get("limit", USUAL_SIZE))
    except InteractionError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, error.message) from None
    return {"items": [item(listing, row) for row in found.rows], "next": found.after or None}


def item(listing: Listing, row: Row[Any]) -> dict[str, Any]:
    """Return a row of a list in JSON: all its columns, and the ids of what it belongs to."""
    values = row._mapping
    shown = {column.name: column.plain(values[column.name]) for column in listing.columns}
    return {name: values[name] for name in listing.hidden} | shown


def parameters(listing: Listing) -> dict[str, Member]:
    """Return what can be asked of a list."""
    sortable = [column.name for column in listing.columns if column.sortable]
    orders = [f"{sign}{name}" for name in sortable for sign in ("", "-")]
    asked = {question.name: Member(_kind(question), question.label) for question in listing.filters}
    if listing.search is not None:
        asked["q"] = Member(Text(LONGEST_TEXT), listing.search_label)
    return asked | {
        "sort": Member(Choice(orders), f"With - the highest or newest first; {listing.order} by itself."),
        "limit": Member(Whole(1, LARGEST_SIZE), f"How many, {USUAL_SIZE} by itself."),
        "cursor": Member(Text(LONGEST_CURSOR), "The next of the page before."),
    }


def page_schema(listing: Listing) -> Schema:
    """Return what a page of a list looks like."""
    return schemas.shaped(items=schemas.several(item_schema(listing)), next=schemas.TEXT_OR_NOTHING)


def item_schema(listing: Listing) -> Schema:
    """Return what a row of a list looks like."""
    hidden = {name: _plain_schema(value) for name, value in listing.hidden.items()}
    return schemas.shaped(**hidden, **{column.name: _cell_schema(column) for column in listing.columns})


def _kind(question: Filter) -> Kind:
    if question.choices:
        return Choice(list(question.choices))
    return Date() if question.kind == "date" else Text(LONGEST_TEXT)


def _cell_schema(column: Column) -> Schema:
    return CELLS[column.kind] if column.kind in CELLS else _plain_schema(column.value)


def _plain_schema(value: Any) -> Schema:
    is_number = not callable(value) and value.type.python_type is int
    return schemas.NUMBER if is_number else schemas.TEXT_OR_NOTHING
