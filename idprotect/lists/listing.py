"""Lists: what a list consists of, and what an address asks of it.

A list is a value: columns, filters, a search, an order. What the address asks of it is checked against that value, so
nothing of the address reaches a statement but as a parameter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, true
from sqlalchemy.sql.elements import ColumnElement

from idprotect import clock
from idprotect.errors import InteractionError
from idprotect.risk import RiskLevel

LONGEST_TEXT = 256

Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Column:
    """One thing that a list shows of each row.

    :param value: what is selected, or a function that returns it.
    :param kind: how it is shown: ``text``, ``time``, ``level``, ``state``, ``word``, ``mono``, ``yes``, ``items``, ….
    :param sortable: rows can be ordered by it; it is never NULL then.
    :param link: what this cell leads to (``user``, ``sign_in``, ``event``, ``application``, ``terms``), and the column
        of its id.
    :param shown: whether one sees it without having asked for it; a file has it in any case.
    """

    name: str
    label: str
    value: Any
    kind: str = "text"
    sortable: bool = False
    link: tuple[str, str] | None = None
    shown: bool = True

    def plain(self, value: Any) -> Any:
        """Return a value of this column in JSON."""
        if self.kind == "level":
            return RiskLevel(value).label
        return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True)
class Filter:
    """One question that narrows a list down.

    :param condition: turns the answer into a condition; raises ValueError for an answer that makes no sense.
    :param choices: value → label; empty: free text.
    """

    name: str
    label: str
    condition: Callable[[str], Condition]
    choices: Mapping[str, str] = field(default_factory=dict)
    kind: str = "text"


@dataclass(frozen=True)
class Listing:
    """One list.

    :param key: identifies a row, and breaks ties of the order.
    :param order: the usual order: name of a column, with ``-`` before it when the highest comes first.
    :param joined: gives a statement the tables that it needs beside the key's.
    :param always: the rows that it is a list of.
    :param hidden: what links and acts need beside the columns.
    :param presets: label → filters, for the links above the list.
    """

    name: str
    title: str
    about: str
    key: Any
    columns: Sequence[Column]
    order: str
    filters: Sequence[Filter] = ()
    hidden: Mapping[str, Any] = field(default_factory=dict)
    joined: Callable[[Select[Any]], Select[Any]] = lambda statement: statement
    always: Callable[[], Condition] = true
    search: Callable[[str], Condition] | None = None
    search_label: str = "Search"
    presets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    acts: Sequence[str] = ()

    def column(self, name: str) -> Column:
        """Return the column called *name*."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Asked:
    """What an address asks of a list: checked, and nothing but what the list knows.

    :param answers: filter → answer.
    :param order: as in :class:`Listing`.
    :param after, before: the key of the row at which the page begins or ends.
    """

    listing: Listing
    answers: Mapping[str, str] = field(default_factory=dict)
    search: str = ""
    order: str = ""
    after: str = ""
    before: str = ""
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, listing: Listing, arguments: Any) -> "Asked":
        """Read the arguments of an address.

        :raises InteractionError: for an answer or order that the list does not have; showing everything instead would
            be another list than the one that was asked for.
        """
        answers = {f.name: text for f in listing.filters if (text := arguments.get(f.name, "").strip())}
        order = arguments.get("sort") or listing.order
        sortable = {column.name for column in listing.columns if column.sortable}
        search = arguments.get("q", "").strip() if listing.search else ""
        typed = (search, *answers.values())
        if order.removeprefix("-") not in sortable or any(map(_is_odd, typed)):
            raise InteractionError("This list cannot be shown like that.")
        shown = set(arguments.getlist("column"))
        asked = cls(
            listing,
            answers,
            search,
            order,
            arguments.get("after", ""),
            arguments.get("before", ""),
            tuple(c.name for c in listing.columns if (c.name in shown if shown else c.shown)),
        )
        asked.condition()
        return asked

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the address again, without those that say nothing, and without the page."""
        usual = tuple(c.name for c in self.listing.columns if c.shown)
        said = {
            **self.answers,
            "q": self.search,
            "sort": self.order if self.order != self.listing.order else "",
            "column": list(self.columns) if self.columns != usual else [],
        }
        return {name: value for name, value in said.items() if value}

    def condition(self) -> Condition:
        """Return what the rows have to be.

        :raises InteractionError: for an answer that makes no sense.
        """
        conditions = [self.listing.always()]
        for question in self.listing.filters:
            if question.name in self.answers:
                try:
                    conditions.append(question.condition(self.answers[question.name]))
                except (ValueError, OverflowError):  # also the day after the last one
                    raise InteractionError(f"“{question.label}” cannot be what was asked for.") from None
        if self.search and self.listing.search is not None:
            conditions.append(self.listing.search(self.search))
        return and_(*conditions)


# Filters that several lists have


def choice(
    name: str, label: str, condition: Callable[[str], Condition], choices: Mapping[str, str]
) -> Filter:
    """Let one of some answers be chosen."""

    def checked(text: str) -> Condition:
        if text not in choices:
            raise ValueError(text)
        return condition(text)

    return Filter(name, label, checked, choices, "choice")


def equal(value: Any) -> Callable[[str], Condition]:
    """Ask for rows in which a value is the very text."""
    return lambda text: value == text


PERIODS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}


def times(value: Any) -> tuple[Filter, ...]:
    """Let a time be chosen: within the last hours or days, or from one day to another (UTC)."""
    return (
        choice("within", "In the last", lambda text: value >= clock.now() - period(text), PERIODS),
        Filter("from", "From (UTC)", lambda text: value >= _day(text), kind="date"),
        Filter("to", "To (UTC)", lambda text: value < _day(text) + timedelta(days=1), kind="date"),
    )


def period(text: str) -> timedelta:
    """Return the duration of one of :data:`PERIODS`."""
    return timedelta(hours=int(text[:-1])) if text.endswith("h") else timedelta(days=int(text[:-1]))


def _is_odd(text: str) -> bool:
    return len(text) > LONGEST_TEXT or not text.isprintable()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")
