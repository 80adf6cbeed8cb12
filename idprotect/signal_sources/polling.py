"""Whom to ask for events when (RFC 8936), by the worker: every half a minute, ever more seldom while nobody answers."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select, update

from idprotect import clock, notifications
from idprotect.errors import IDProtectError
from idprotect.models import SignalSource, rows_changed, session
from idprotect.signal_sources import receiving, sources, transmitter
from idprotect.signal_sources.tokens import Refused

log = logging.getLogger("idprotect.signal_sources")

EVERY = timedelta(seconds=30)
#: How long to wait after so many failures in a row; then always as long as after the last.
WAITS: Sequence[timedelta] = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
#: A worker that died while it polled is waited for so long.
CLAIM = timedelta(minutes=5)
#: So many answers are fetched in a row; then others have their turn.
MOST_ROUNDS = 20


def poll_due() -> int:
    """Ask every source whose time has come; return how many events came. Commits."""
    now = clock.now()
    due = select(SignalSource.id, SignalSource.poll_due_at).where(
        SignalSource.poll_due_at <= now, SignalSource.held_since.is_(None)
    )
    found = session().execute(due.order_by(SignalSource.poll_due_at)).all()
    session().rollback()
    count = 0
    for source_id, due_at in found:
        # Of several workers one asks.
        this = update(SignalSource).where(SignalSource.id == source_id, SignalSource.poll_due_at == due_at)
        claimed = rows_changed(this.values(poll_due_at=now + CLAIM))
        session().commit()
        if claimed:
            count += poll(session().get_one(SignalSource, source_id))
    return count


def seconds_until_due() -> float | None:
    """Return when there is somebody to ask, None when we listen to nobody in this way."""
    next_at = select(func.min(SignalSource.poll_due_at)).where(SignalSource.held_since.is_(None))
    due_at = session().scalar(next_at)
    session().rollback()
    return max(0.0, (due_at - clock.now()).total_seconds()) if due_at is not None else None


def poll(source: SignalSource) -> int:
    """Ask one source, and act on what it tells; return how many events that were. Commits."""
    source_id = source.id
    try:
        count = _fetch(source)
        problem = ""
    except IDProtectError as error:
        session().rollback()
        notifications.discard()
        count, problem = 0, str(error)
    except Exception as error:
        session().rollback()
        notifications.discard()
        log.exception("source %s could not be polled", source_id)
        count, problem = 0, type(error).__name__
    found = session().get(SignalSource, source_id)
    if found is None or not found.is_polled:
        session().rollback()
        return count
    found.poll_failures = found.poll_failures + 1 if problem else 0
    if problem:
        sources.note_failure(found, problem)
    wait = WAITS[min(found.poll_failures, len(WAITS)) - 1] if problem else EVERY
    found.poll_due_at = clock.now() + wait
    session().commit()
    return count


def _fetch(source: SignalSource) -> int:
    """Fetch until nothing more waits. What was acted on is acknowledged with the next request, and is had once."""
    taken: list[str] = []
    refused: dict[str, dict[str, str]] = {}
    had: set[str] = set()
    for _ in range(MOST_ROUNDS):
        sets = transmitter.poll(source, taken, refused)
        taken, refused = [], {}
        if not sets or source.held_since is not None:
            return len(had)
        if sets.keys() <= had:
            raise transmitter.Unavailable("The transmitter sends again what was acknowledged.")
        for jti, token in sets.items():
            try:
                receiving.receive(source, token)
                taken.append(jti)
            except Refused as error:
                refused[jti] = {"err": error.code, "description": str(error)}
        had |= sets.keys()
    transmitter.poll(source, taken, refused)
    return len(had)
