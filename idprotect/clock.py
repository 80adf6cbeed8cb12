"""The one clock. Everything outside the pure core asks it, so a test can move it, and a simulation play in the past."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_offset: ContextVar[timedelta] = ContextVar("idprotect_clock_offset", default=timedelta())


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC) + _offset.get()


@contextmanager
def set_to(moment: datetime) -> Iterator[None]:
    """Let the clock show another time, within this context and as long as it lasts. For simulation alone.

    It is safe because nobody else sees it: the offset is a context variable, and :mod:`idprotect.simulation` sets it in
    a fresh context that serves one request in process and is thrown away. A request from the network is served in the
    context of its own thread, where nothing ever set an offset.
    """
    token = _offset.set(_offset.get() + (moment - now()))
    try:
        yield
    finally:
        _offset.reset(token)
