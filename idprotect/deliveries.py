"""One outbox for everything that is told to somebody outside: a table that is worked off, with retries and a log.

A delivery is claimed by one conditional write before it is sent, so several workers share the work.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import g
from sqlalchemy import func, select, update

from idprotect import clock
from idprotect.errors import IDProtectError
from idprotect.models import Delivery, add, new_id, rows_changed, session
from idprotect.senders import Gone, SendError

log = logging.getLogger("idprotect.deliveries")

#: How long to wait after each try that failed; after the last one it is given up.
WAITS: Sequence[timedelta] = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
#: A worker that died while it sent is waited for so long.
CLAIM = timedelta(minutes=1)
LONGEST_ANSWER = 128
NOT_WANTED = "no longer wanted"
#: Whoever takes longer to answer is slow, and gets no more of a worker's time than one part in so many.
SLOW = timedelta(seconds=1)
SHARE = 10


class Held(IDProtectError):
    """The recipient wants to hear of it later, which is no failed try.

    :param until: when to look again.
    """

    def __init__(self, until: datetime) -> None:
        super().__init__(f"held until {until}")
        self.until = until


@dataclass(frozen=True)
class Kind:
    """One kind of delivery.

    :param prepare: reads what is needed, and returns what sends it without the database: the answer, for the log.
        It raises SendError when it was not taken, Gone when it never will be. None: nobody wants it any more. It may
        raise Held itself.
    :param taken: told after it was taken.
    :param given_up: told after the last try.
    :param gone: told instead when there is no use in trying again.
    """

    prepare: Callable[[Delivery], Callable[[], str] | None]
    taken: Callable[[Delivery], None] = lambda _delivery: None
    given_up: Callable[[Delivery], None] = lambda _delivery: None
    gone: Callable[[Delivery], None] = lambda _delivery: None


def put(kind: str, recipient: str, content: Mapping[str, Any], *, due_at: datetime | None = None) -> str:
    """Add a delivery in the transaction of what it tells; return its id.

    :param due_at: when to send it; None: at once.
    """
    now, its_id = clock.now(), new_id()
    row = {"id": its_id, "kind": kind, "recipient": recipient, "content": dict(content)}
    add(Delivery, {**row, "created_at": now, "due_at": due_at or now})
    g.idprotect_deliveries = True
    return its_id


def move(kind: str, recipient: str, due_at: datetime) -> None:
    """Let all that waits for a recipient be sent at another time."""
    waiting = (Delivery.recipient == recipient, Delivery.kind == kind, Delivery.due_at.is_not(None))
    session().execute(update(Delivery).where(*waiting).values(due_at=due_at))
    g.idprotect_deliveries = True


def deliver_due(kinds: Mapping[str, Kind], seconds: float = 60) -> dict[str, int]:
    """Send whatever's time has come, as far as the time allows; return what came of it. Commits."""
    outcomes = {"delivered": 0, "failed": 0}
    started = time.monotonic()
    while time.monotonic() - started < seconds and (delivery := claim()) is not None:
        outcomes["delivered" if send(kinds, delivery) else "failed"] += 1
    return outcomes


def seconds_until_due() -> float | None:
    """Return when there is something to send, None when nothing waits."""
    due_at = session().scalar(select(func.min(Delivery.due_at)))
    session().rollback()
    return max(0.0, (due_at - clock.now()).total_seconds()) if due_at is not None else None


def claim() -> Delivery | None:
    """Take one delivery that is due, so that nobody else sends it meanwhile."""
    while True:
        now = clock.now()
        # Of what waits for one recipient the oldest is tried again, until it is taken or given up.
        due = select(Delivery).where(Delivery.due_at <= now).order_by(Delivery.due_at, Delivery.created_at)
        delivery = session().scalar(due.limit(1).execution_options(populate_existing=True))
        if delivery is None:
            session().rollback()
            return None
        this = update(Delivery).where(Delivery.id == delivery.id, Delivery.due_at == delivery.due_at)
        claimed = rows_changed(this.values(due_at=now + CLAIM, tries=Delivery.tries + 1))
        session().commit()
        if claimed:
            session().refresh(delivery)
            return delivery


def send(kinds: Mapping[str, Kind], delivery: Delivery) -> bool:
    """Send one that was claimed, and write down what came of it. Commits.

    A recipient that fails, or takes its time, holds no worker: what else is due for it waits, and others come first.
    """
    kind, began = kinds[delivery.kind], time.monotonic()
    is_gone = False
    try:
        is_taken, answer = _try(kind, delivery)
    except Gone as gone:
        is_gone, is_taken, answer = True, False, str(gone)
    except Held as held:
        session().rollback()
        delivery.due_at, delivery.tries = held.until, delivery.tries - 1
        session().commit()
        return False
    delivery.answer = answer[:LONGEST_ANSWER]
    if is_taken:
        delivery.delivered_at, delivery.due_at = clock.now(), None
        kind.taken(delivery)
        took = timedelta(seconds=time.monotonic() - began)
        if took > SLOW:
            _let_wait(delivery, clock.now() + (SHARE - 1) * took)
    elif is_gone or answer == NOT_WANTED or delivery.tries > len(WAITS):
        delivery.due_at = None
        (kind.gone if is_gone else kind.given_up)(delivery)
    else:
        delivery.due_at = clock.now() + WAITS[delivery.tries - 1]
        _let_wait(delivery, delivery.due_at)
    session().commit()
    return is_taken


def _let_wait(delivery: Delivery, until: datetime) -> None:
    """Let all else that is due for the same recipient wait."""
    same = (Delivery.recipient == delivery.recipient, Delivery.kind == delivery.kind)
    others = update(Delivery).where(*same, Delivery.id != delivery.id, Delivery.due_at <= clock.now())
    rows_changed(others.values(due_at=until))


def _try(kind: Kind, delivery: Delivery) -> tuple[bool, str]:
    """Return whether it was taken, and the answer. What is wrong with one delivery keeps no other waiting."""
    its_id = delivery.id
    try:
        call = kind.prepare(delivery)
        session().commit()  # nothing is held while the other side takes its time
        return (True, call()) if call is not None else (False, NOT_WANTED)
    except (Gone, Held):
        session().rollback()
        raise
    except SendError as error:
        session().rollback()
        return False, str(error)
    except Exception as error:
        session().rollback()
        log.exception("delivery %s failed", its_id)
        return False, type(error).__name__
