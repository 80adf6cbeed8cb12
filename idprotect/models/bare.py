"""Bare rows instead of objects, where nothing is changed: what reading objects costs is half of a cheap request."""

from collections.abc import Collection, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Row

from idprotect.models.base import Base, table_of

T = TypeVar("T")


class Bare(Generic[T]):
    """A table's columns in a SELECT, and what their values are made into.

    :param made: its instances get the columns as attributes. Rules that the model has, too, stand in a base of both.
    :param only: the columns, if not all. psycopg makes an object of each column of each result.
    :param without: columns that nobody asks a bare row for.
    """

    def __init__(
        self,
        model: type[Base],
        made: type[T],
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> None:
        wanted = set(only if only is not None else table_of(model).c.keys()) - set(without)
        self.columns: tuple[Column[Any], ...] = tuple(c for c in table_of(model).c if c.name in wanted)
        self._made, self._names = made, tuple(column.name for column in self.columns)

    def of(self, values: Sequence[Any]) -> T:
        """Return what the values of the columns make."""
        bare = self._made.__new__(self._made)
        bare.__dict__.update(zip(self._names, values, strict=True))
        return bare


def split(row: "Row[Any]", *bares: Bare[Any]) -> tuple[Any, ...]:
    """Return what a row makes that begins with the columns of these, and then the rest of its values."""
    made, start = [], 0
    for bare in bares:
        end = start + len(bare.columns)
        made.append(bare.of(row[start:end]))
        start = end
    return *made, *row[start:]
