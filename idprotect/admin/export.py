"""Files of a list: every row that is filtered, in its order, as CSV or JSON, written while it is read."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, stream_with_context

from idprotect.lists.listing import Asked
from idprotect.lists.paging import read_all

#: With these a spreadsheet begins a formula, or once it has thrown the character before them away.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_file(asked: Asked) -> Response:
    """Return the list as CSV; what a spreadsheet would take for a formula is made text."""
    return _file(asked, "csv", "text/csv", _csv_lines(asked))


def json_file(asked: Asked) -> Response:
    """Return the list as a JSON array, one object a line."""
    return _file(asked, "json", "application/json", _json_lines(asked))


def harmless(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_lines(asked: Asked) -> Iterator[str]:
    columns = asked.listing.columns
    yield _line([column.name for column in columns])
    for row in read_all(asked):
        yield _line([harmless(_text(column.plain(row._mapping[column.name]))) for column in columns])


def _json_lines(asked: Asked) -> Iterator[str]:
    separator = "[\n"
    for row in read_all(asked):
        values = {column.name: column.plain(row._mapping[column.name]) for column in asked.listing.columns}
        yield separator + json.dumps(values, ensure_ascii=False)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _file(asked: Asked, ending: str, mimetype: str, lines: Iterator[str]) -> Response:
    response = Response(stream_with_context(lines), mimetype=mimetype)
    name = asked.listing.name.replace("_", "-")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return response
