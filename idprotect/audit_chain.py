"""The chain over the audit log: each event is sealed with the seal of the one before, so a change shows.

A sign-in only inserts its events. Chaining them there and then would make every sign-in of all workers wait for
the one before, for as long as its transaction lasts. So sealing is a step of its own: it takes the events that are
committed and have no seal yet, in batches, and one such step at a time. It runs before the log is read, exported,
checked or purged, and on a schedule (``audit seal``). What it cannot show is a change between an event's commit and its
seal; the schedule says how long that is.

A seal is keyed: whoever can write the database but has not the key cannot make a chain of his own. Somebody who
takes the newest events away with the head, or puts an older database back, leaves a shorter chain that is whole. That
shows only against a seal that was kept elsewhere: sealing logs it, and ``audit verify --seal`` looks for it.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, select, update

from idprotect import audit
from idprotect.audit import Event
from idprotect.models import AuditEvent, AuditHead, dialect, insert, rows_changed, session
from idprotect.runtime import runtime

log = logging.getLogger("idprotect.audit")

BATCH = 500
REPORTED_PROBLEMS = 20
HEAD = 1
#: What stands before the first event.
NOTHING = ""

_table = cast(Table, AuditEvent.__table__)
_SEAL = (
    update(_table)
    .where(_table.c.id == bindparam("event_id"))
    .values(position=bindparam("place"), previous_seal=bindparam("previous"), seal=bindparam("its_seal"))
)


@dataclass
class Verification:
    """What the chain looks like.

    :ivar problems: sentences; empty when the log is what was written.
    :ivar position, seal: of the newest event; worth keeping elsewhere.
    """

    events: int = 0
    first: int = 0
    position: int = 0
    seal: str = NOTHING
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, taken away or put in between."""
        return not self.problems

    def note(self, problem: str) -> None:
        """Keep a problem, if there are not too many already."""
        if len(self.problems) < REPORTED_PROBLEMS:
            self.problems.append(problem)


def seal(at_most: int | None = None) -> int:
    """Seal what is committed and has no seal yet; return how many events. Commits.

    :param at_most: stop after about so many, when somebody waits for the page.
    """
    sealed = 0
    while at_most is None or sealed < at_most:
        count = _seal_batch()
        sealed += count
        if count < BATCH:
            break
    return sealed


def verify(known: str | None = None) -> Verification:
    """Seal, and then make every seal again.

    :param known: ``position:seal`` as it was kept elsewhere; it has to be in the chain.
    """
    seal()
    found = Verification()
    place, colon, kept = (known or "").partition(":")
    for event in _sealed():
        _check(found, event)
        if colon and str(event.position) == place and event.seal != kept:
            found.note(f"position {place} has another seal than the one that was kept")
    if colon and not (place.isdecimal() and found.first <= int(place) <= found.position):
        found.note(f"position {place}, whose seal was kept, is not in the chain")
    _check_end(found)
    return found


def purge(before: datetime) -> int:
    """Delete the oldest events, and write down which, so that the chain's new beginning is known to be right."""
    seal()
    _hold_head()
    kept = session().scalar(select(func.min(AuditEvent.position)).where(AuditEvent.at >= before))
    limit = kept if kept is not None else _head()[0] + 1
    last = session().scalar(select(AuditEvent).where(AuditEvent.position == limit - 1))
    if last is None:
        return 0
    position, its_seal = last.position, last.seal
    session().expunge(last)
    count = rows_changed(delete(AuditEvent).where(AuditEvent.position < limit))
    audit.record(Event.AUDIT_PURGED, actor="system", position=position, seal=its_seal, count=count)
    return count


def _seal_batch() -> int:
    session().commit()
    if session().scalar(select(AuditEvent.id).where(AuditEvent.position.is_(None)).limit(1)) is None:
        return 0  # looking takes no lock
    _hold_head()
    position, previous = _head()
    events = _unsealed()
    rows = []
    for event in events:
        position += 1
        its_seal = _seal_of(event, position, previous)
        rows.append({"event_id": event.id, "place": position, "previous": previous, "its_seal": its_seal})
        previous = its_seal
    if rows:
        session().execute(_SEAL, rows)
        rows_changed(update(AuditHead).values(position=position, seal=previous))
        log.info("audit log sealed up to %d:%s", position, previous)
    session().commit()
    return len(rows)


def _hold_head() -> None:
    """Let one step of sealing at a time go on: a write to the head is a lock, on both databases."""
    first = insert(AuditHead, dialect()).values(id=HEAD, position=0, seal=NOTHING)
    session().execute(first.on_conflict_do_nothing())
    rows_changed(update(AuditHead).values(id=HEAD))


def _head() -> tuple[int, str]:
    row = session().execute(select(AuditHead.position, AuditHead.seal)).one()
    return row.position, row.seal


def _unsealed() -> Sequence[Any]:
    statement = select(_table).where(_table.c.position.is_(None)).order_by(_table.c.id)
    return session().execute(statement.limit(BATCH)).all()


def _sealed() -> Iterator[Any]:
    """Read the chain from its beginning, in pieces."""
    after = 0
    while True:
        statement = select(_table).where(_table.c.position > after).order_by(_table.c.position)
        rows = session().execute(statement.limit(BATCH)).all()
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1].position


def _seal_of(event: Any, position: int, previous: str) -> str:
    content = [
        position,
        previous,
        event.id,
        event.at.astimezone(UTC).isoformat(),
        event.name,
        event.actor,
        event.user_id,
        event.sign_in_id,
        event.client_id,
        event.details,
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return runtime().keys.keyed_hash("audit", text)


def _check(found: Verification, event: Any) -> None:
    if not found.events:
        found.first = event.position
        _check_beginning(found, event)
    elif event.position != found.position + 1:
        found.note(f"between positions {found.position} and {event.position} events are missing")
    elif event.previous_seal != found.seal:
        found.note(f"event {event.id} does not follow on the one before")
    if event.seal != _seal_of(event, event.position, event.previous_seal or NOTHING):
        found.note(f"event {event.id} was changed")
    found.events += 1
    found.position, found.seal = event.position, event.seal


def _check_beginning(found: Verification, event: Any) -> None:
    """The first event follows on nothing, or on what a purge wrote down."""
    if event.position == 1 and event.previous_seal == NOTHING:
        return
    purges = select(AuditEvent.details).where(AuditEvent.name == str(Event.AUDIT_PURGED))
    for details in session().scalars(purges):
        if (details.get("position"), details.get("seal")) == (event.position - 1, event.previous_seal):
            return
    found.note(f"the events before position {event.position} are missing, and no purge took them")


def _check_end(found: Verification) -> None:
    position, its_seal = _head()
    if (found.position, found.seal) != (position, its_seal) and (found.events or position):
        found.note(f"the chain ends at position {found.position}, and was written up to {position}")
