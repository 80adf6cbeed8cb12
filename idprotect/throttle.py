"""Limits that hold over all sessions, addresses and workers: durable counters, each moved by one atomic write.

A try is counted *before* it is compared, in a transaction of its own, so parallel tries cannot share a count.
"""

import ipaddress
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache

from sqlalchemy import Case, ScalarSelect, bindparam, case, delete, exists, or_, select, update
from sqlalchemy.sql.dml import ReturningInsert

from idprotect import clock
from idprotect.errors import TooManyAttempts
from idprotect.models import Throttle, dialect, insert, rows_changed, run, session, table_of
from idprotect.models.base import UtcDateTime

FOREVER = timedelta(days=3650)
LONGEST_DELAY = timedelta(minutes=15)
FIRST_DELAY = timedelta(seconds=30)
#: NIST SP 800-63B: after so many consecutive failures an authenticator is disabled until it is bound anew.
MOST_FAILURES = 100


_table = table_of(Throttle)
_key = _table.c.key == bindparam("counter")
_STARTED_AT = select(_table.c.started_at).where(_key)
_COUNTS = select(_table.c.key, _table.c.count.label("events"), _table.c.started_at).where(
    _table.c.key.in_(bindparam("counters", expanding=True))
)
_BLOCKED_UNTIL = select(_table.c.blocked_until).where(_key)
_FORGET = delete(_table).where(_key)


@lru_cache(maxsize=4096)
def network_of(ip_address: str | None) -> str:
    """Return what counts as one address: an IPv4 address, an IPv6 /64."""
    if ip_address is None:
        return "unknown"
    address = ipaddress.ip_address(ip_address)
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def hit(key: str, window: timedelta) -> int:
    """Count one event and return how many there were since the window opened. The caller commits."""
    now = clock.now()
    statement = _hit_statement(dialect())
    count: int = run(statement, counter=key, now=now, opened_before=now - window).scalar_one()
    return count


def counts(keys: Collection[str], window: timedelta) -> dict[str, int]:
    """Return how many events there were since the windows opened, of the counters that have any."""
    opened_after = clock.now() - window
    rows = run(_COUNTS, counters=list(keys))
    return {row.key: row.events for row in rows if row.started_at > opened_after}


def events(counter: str) -> "ScalarSelect[int]":
    """Return how many events there were, for a statement that runs anyway.

    :param counter: the statement's parameter for the key; ``opened_after`` is the one for the time.
    """
    opened_after = bindparam("opened_after", type_=UtcDateTime)
    count = select(_table.c.count).where(
        _table.c.key == bindparam(counter), _table.c.started_at > opened_after
    )
    return count.scalar_subquery()


def refuse_beyond(limits: Mapping[str, int], window: timedelta) -> None:
    """Raise TooManyAttempts when a counter has reached its limit; nothing is counted."""
    for key, count in counts(limits, window).items():
        if count >= limits[key]:
            raise TooManyAttempts(seconds_left(key, window))


def check(key: str, limit: int, window: timedelta) -> None:
    """Count one event and raise TooManyAttempts when there were more than *limit* in the window. Commits."""
    count = hit(key, window)
    session().commit()
    if count > limit:
        raise TooManyAttempts(seconds_left(key, window))


def take_back(key: str) -> None:
    """Uncount one event that turned out well."""
    rows_changed(
        update(Throttle).where(Throttle.key == key, Throttle.count > 0).values(count=Throttle.count - 1)
    )


def reserve_failure(key: str, free_tries: int) -> int:
    """Count a try at a secret as failed in advance; return how many failed before it. Commits.

    From *free_tries* failures on, each must wait longer than the one before.

    :raises TooManyAttempts: when it is too early for another.
    """
    now = clock.now()
    times = {name: now + delay for name, delay in _ladder().items()}
    statement = _reserve_statement(dialect(), free_tries)
    count: int | None = run(statement, counter=key, now=now, **times).scalar_one_or_none()
    session().commit()
    if count is None:
        until = run(_BLOCKED_UNTIL, counter=key).scalar()
        raise TooManyAttempts(max(1, int((until - now).total_seconds())) if until else 60)
    return count - 1


def forget(key: str) -> None:
    """Start to count anew, after a success."""
    run(_FORGET, counter=key)


def forget_all(prefix: str) -> None:
    """Start to count anew under every key that begins with *prefix*."""
    session().execute(delete(Throttle).where(Throttle.key.startswith(prefix, autoescape=True)))


def counts_any(prefix: str) -> bool:
    """Whether anything is counted under a key that begins with *prefix*."""
    mine = exists().where(Throttle.key.startswith(prefix, autoescape=True), Throttle.count > 0)
    return bool(session().scalar(select(mine)))


def seconds_left(key: str, window: timedelta) -> int:
    """Return in how many seconds the window of a counter ends."""
    started_at: datetime | None = run(_STARTED_AT, counter=key).scalar()
    if started_at is None:
        return 1
    return max(1, int((started_at + window - clock.now()).total_seconds()))


# Statements are built once by dialect: building one costs more than running it.


@cache
def _hit_statement(dialect_name: str) -> "ReturningInsert[int]":
    now = bindparam("now", type_=UtcDateTime)
    fresh = _table.c.started_at <= bindparam("opened_before", type_=UtcDateTime)
    first = insert(Throttle, dialect_name).values(
        key=bindparam("counter"), count=1, started_at=now, updated_at=now
    )
    return first.on_conflict_do_update(
        index_elements=[_table.c.key],
        set_={
            "count": case((fresh, 1), else_=_table.c.count + 1),
            "started_at": case((fresh, now), else_=_table.c.started_at),
            "updated_at": now,
        },
    ).returning(_table.c.count)


@cache
def _reserve_statement(dialect_name: str, free_tries: int) -> "ReturningInsert[int]":
    now = bindparam("now", type_=UtcDateTime)
    first = insert(Throttle, dialect_name).values(
        key=bindparam("counter"), count=1, started_at=now, updated_at=now
    )
    return first.on_conflict_do_update(
        index_elements=[_table.c.key],
        set_={"count": _table.c.count + 1, "updated_at": now, "blocked_until": _blocked_until(free_tries)},
        where=or_(_table.c.blocked_until.is_(None), _table.c.blocked_until <= now),
    ).returning(_table.c.count)


@cache
def _ladder() -> Mapping[str, timedelta]:
    """Return the waits by name: 30 s, doubling, at most 15 minutes; and the one without end."""
    ladder: dict[str, timedelta] = {}
    delay = FIRST_DELAY
    while delay < LONGEST_DELAY:
        ladder[f"step_{len(ladder)}"] = delay
        delay *= 2
    return {**ladder, "longest": LONGEST_DELAY, "forever": FOREVER}


def _blocked_until(free_tries: int) -> "Case[datetime | None]":
    """Return the SQL value of the next allowed time, by how many tries failed with this one."""
    tries = _table.c.count + 1
    until = {name: bindparam(name, type_=UtcDateTime) for name in _ladder()}
    steps = [name for name in until if name.startswith("step_")]
    return case(
        (tries >= MOST_FAILURES, until["forever"]),
        *((tries == free_tries + number, until[name]) for number, name in enumerate(steps)),
        (tries >= free_tries + len(steps), until["longest"]),
        else_=None,
    )
