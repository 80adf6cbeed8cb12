"""The page of a list, and its files."""

from typing import Any
from urllib.parse import urlencode

from flask import Response, abort, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.wrappers import Response as AnyResponse

from idprotect import audit, protection, triage
from idprotect.admin import door, export
from idprotect.admin.view import ConsoleView, expose
from idprotect.audit import Event
from idprotect.lists import paging
from idprotect.lists.listing import Asked, Column, Listing
from idprotect.models import session

#: The page of what a cell leads to, and its argument.
PAGES = {
    "user": ("idprotect_admin_users.details", "user_id"),
    "sign_in": ("idprotect_admin_sign_ins.details", "sign_in_id"),
    "event": ("idprotect_admin_audit.details", "event_id"),
    "application": ("idprotect_admin_applications.details", "client_id"),
    "terms": ("idprotect_admin_terms.one", "name"),
}
FILES = {"csv": export.csv_file, "json": export.json_file}


class ListView(ConsoleView):
    """A list with its filters, order, pages and files."""

    listing: Listing

    @expose("/")
    def index(self) -> AnyResponse:
        """One page of the list."""
        if (clean := _without_empty_answers(request.endpoint or "")) is not None:
            return clean
        self.prepare()
        asked = Asked.of(self.listing, request.args)
        found = paging.read(asked)
        return self.page(
            "list.html",
            listing=self.listing,
            asked=asked,
            count=paging.count(asked),
            counted=paging.COUNTED,
            columns=[self.listing.column(name) for name in asked.columns],
            rows=[_cells(asked, row) for row in found.rows],
            headings=[_heading(self.address, asked, self.listing.column(name)) for name in asked.columns],
            orders=_orders(self.listing),
            presets=[
                {"label": label, "url": self.address(**answers), "current": answers == asked.arguments()}
                for label, answers in self.listing.presets.items()
            ],
            all_url=self.address(),
            before_url=self.address(**asked.arguments(), before=found.before) if found.before else None,
            after_url=self.address(**asked.arguments(), after=found.after) if found.after else None,
            files={name: self.address("file", ending=name, **asked.arguments()) for name in FILES},
            acts=[triage.ACTS[name] for name in self.listing.acts if door.may(name)],
            acts_url=url_for("idprotect_admin_acts.index"),
        )

    @expose("/export.<ending>")
    def file(self, ending: str) -> Response:
        """The whole list in a file; that somebody took it is written down."""
        if ending not in FILES:
            abort(404)
        self.prepare()
        asked = Asked.of(self.listing, request.args)
        audit.record(
            Event.CONSOLE_EXPORTED,
            actor=door.person().user.username,
            list=self.listing.name,
            filters=asked.arguments(),
            ending=ending,
        )
        protection.watch_administrator(door.person().user)
        session().commit()
        return FILES[ending](asked)

    def prepare(self) -> None:
        """Do what has to be done before the list is read."""

    def address(self, function: str = "index", **arguments: Any) -> str:
        """Return the address of a page of this view."""
        return url_for(f"{self.endpoint}.{function}", **arguments)


def _without_empty_answers(endpoint: str) -> AnyResponse | None:
    """Send a form's address, full of empty answers, on to the one that is worth keeping as a link."""
    pairs = list(request.args.items(multi=True))
    if all(text for _, text in pairs):
        return None
    kept = urlencode([(name, text) for name, text in pairs if text])
    return redirect(f"{url_for(endpoint)}?{kept}" if kept else url_for(endpoint), 303)


def _orders(shown: Listing) -> list[tuple[str, str]]:
    """Return the orders to choose from, for where a column's head cannot be reached."""
    sortable = [column for column in shown.columns if column.sortable]
    return [
        (f"{sign}{column.name}", f"{column.label}, {words}")
        for column in sortable
        for sign, words in (("-", "highest or newest first"), ("", "lowest or oldest first"))
    ]


def _cells(asked: Asked, row: Row[Any]) -> dict[str, Any]:
    columns = [asked.listing.column(name) for name in asked.columns]
    values = row._mapping
    cells = [
        {"label": c.label, "kind": c.kind, "value": values[c.name], "url": _link(c, values)} for c in columns
    ]
    return {"key": values["key"], "cells": cells}


def _link(column: Column, values: Any) -> str | None:
    if column.link is None:
        return None
    kind, source = column.link
    endpoint, argument = PAGES[kind]
    return url_for(endpoint, **{argument: values[source]}) if values[source] else None


def _heading(address: Any, asked: Asked, column: Column) -> dict[str, Any]:
    """Return a column's head; a sortable one leads to the list in its order, or in the opposite one."""
    if not column.sortable:
        return {"label": column.label, "url": None, "direction": None}
    downwards = asked.order == f"-{column.name}"
    direction = "descending" if downwards else "ascending" if asked.order == column.name else None
    order = column.name if downwards else f"-{column.name}"
    arguments = {name: value for name, value in asked.arguments().items() if name != "sort"}
    if order != asked.listing.order:
        arguments["sort"] = order
    return {"label": column.label, "url": address(**arguments), "direction": direction}
