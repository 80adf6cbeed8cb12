"""How many requests each endpoint answers, and how long that takes: for ``/metrics``, and only where somebody reads it.

Each process adds up what it answered and writes that every few seconds, so any of them knows of all; nothing names
anybody. What a killed process had not written is lost. Answers that are written while they are read count until they
begin.
"""

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Flask
from sqlalchemy import Executable, select
from sqlalchemy.exc import SQLAlchemyError

from idprotect.models import RequestTime, insert, run, table_of
from idprotect.runtime import runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("idprotect.request_times")

FLUSH_SECONDS = 10.0
#: The upper bounds that answers are counted by, in seconds; whatever took longer comes last.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

#: Endpoint, class of the status (2 for 2xx), and the place of the bound.
Key = tuple[str, int, int]
#: How many, and how many seconds together.
Sum = tuple[int, float]

_times = table_of(RequestTime).c
_READ = select(*_times).order_by(_times.endpoint, _times.status)


class RequestTimes:
    """What one process has answered and not yet written.

    :ivar writing: held by the one thread that writes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.writing = threading.Lock()
        self._pending: dict[Key, Sum] = {}
        self._written_at = time.monotonic()

    def add(self, endpoint: str, status: int, seconds: float) -> None:
        """Count an answer."""
        key = (endpoint, status // 100, bisect_left(BOUNDS, seconds))
        with self._lock:
            times, total = self._pending.get(key, (0, 0.0))
            self._pending[key] = (times + 1, total + seconds)

    def take(self, *, now: bool = False) -> Mapping[Key, Sum]:
        """Return what is due to be written, and forget it; nothing before its time unless *now*."""
        if not now and time.monotonic() - self._written_at < FLUSH_SECONDS:
            return {}
        with self._lock:
            taken, self._pending, self._written_at = self._pending, {}, time.monotonic()
        return taken


def watch(app: Flask, times: RequestTimes) -> None:
    """Time what is answered by our endpoints; around the application, where it costs a third of what hooks do."""
    inner = app.wsgi_app

    def timed(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began = time.perf_counter()

        def start(status: str, *more: Any) -> Any:
            # There is no request where something within the host's application answered before Flask.
            endpoint = getattr(environ.get("werkzeug.request"), "endpoint", None)
            if endpoint is not None and endpoint.startswith("idprotect"):
                times.add(endpoint, int(status[:3]), time.perf_counter() - began)
            return start_response(status, *more)

        return inner(environ, start)

    app.wsgi_app = timed  # type: ignore[method-assign]


def write(*, now: bool = False) -> None:
    """Write what is due, in a transaction of its own and in the order of keys, so that no two writers deadlock.

    :param now: also before its time; otherwise nothing while another thread is writing.
    """
    pending: RequestTimes | None = runtime().request_times
    if pending is None or not pending.writing.acquire(blocking=now):
        return
    try:
        if taken := pending.take(now=now):
            _write(taken)
    finally:
        pending.writing.release()


def stored() -> Iterator[tuple[str, str, list[tuple[str, int]], float]]:
    """Yield for each endpoint and class of statuses how many answers took up to each bound, and seconds altogether."""
    sums: dict[tuple[str, str], dict[int, Sum]] = {}
    for row in run(_READ):
        sums.setdefault((row.endpoint, f"{row.status}xx"), {})[row.bound] = (row.times, row.seconds)
    bounds = (*map(str, BOUNDS), "+Inf")
    for (endpoint, status), found in sums.items():
        times = [found.get(place, (0, 0.0))[0] for place in range(len(bounds))]
        up_to = [(bound, sum(times[: place + 1])) for place, bound in enumerate(bounds)]
        yield endpoint, status, up_to, sum(seconds for _, seconds in found.values())


def _write(taken: Mapping[Key, Sum]) -> None:
    rows = [
        {"endpoint": endpoint, "status": status, "bound": bound, "times": times, "seconds": seconds}
        for (endpoint, status, bound), (times, seconds) in sorted(taken.items())
    ]
    try:
        with runtime().db.engine.begin() as connection:
            connection.execute(_add_statement(connection.dialect.name), rows)
    except SQLAlchemyError as error:
        log.error("%d times could not be written: %s", len(rows), error.__cause__ or error)  # noqa: TRY400


@cache
def _add_statement(dialect_name: str) -> Executable:
    statement = insert(RequestTime, dialect_name)
    added = {name: _times[name] + statement.excluded[name] for name in ("times", "seconds")}
    return statement.on_conflict_do_update(index_elements=["endpoint", "status", "bound"], set_=added)
