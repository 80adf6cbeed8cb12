"""Counts over everyone, kept in the database and added to in batches.

A busy server would queue at the row that counts all sign-ins; so each process adds up for a second what it saw, and
then writes once, by one thread that may have to wait while the others go on. Its own additions it sees at once, those
of other processes a second later: evidence needs no more. What a killed process had not written is lost.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, case, delete, select
from sqlalchemy.exc import SQLAlchemyError

from idprotect import simulated
from idprotect.models import RiskCount, insert, run, table_of
from idprotect.risk.attempt import Attempt
from idprotect.risk.population import FAST, SLOW, Change, Count, Key, keys
from idprotect.runtime import runtime

log = logging.getLogger("idprotect.counts")

FLUSH_SECONDS = 1.0
#: A period is so many half-lives; what is older than two periods is worth nothing.
HALF_LIVES = 16
SLOW_COUNTS = ("ok", "users", "failed", "accounts")
FAST_COUNTS = ("burst", "burst_accounts")
_AGED = 0.5**HALF_LIVES
#: Of one account or success; thresholds are met by whole numbers, rounded.
NEGLIGIBLE = 0.25

_counts = table_of(RiskCount).c
_READ = select(*_counts).where(_counts.key.in_(bindparam("keys", expanding=True)))


class Additions:
    """What one process has counted and not yet written.

    :ivar writing: held by the one thread that writes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.writing = threading.Lock()
        self._pending: dict[Key, Count] = {}
        self._written_at = 0.0

    def add(self, at: float, changes: Sequence[Change]) -> None:
        """Add what happened at a moment (seconds since 1970)."""
        with self._lock:
            for change in changes:
                count = self._pending.setdefault(change.key, Count(at))
                count.move_to(at)
                count.add(change)

    def get(self, key: Key) -> Count | None:
        """Return what is pending for one value."""
        return self._pending.get(key)

    def take(self, *, now: bool = False) -> Mapping[Key, Count]:
        """Return what is due to be written, and forget it; nothing before its time unless *now*."""
        with self._lock:
            is_due = now or time.monotonic() - self._written_at >= FLUSH_SECONDS
            if not self._pending or not is_due:
                return {}
            taken, self._pending, self._written_at = self._pending, {}, time.monotonic()
        return taken


def read(attempt: Attempt) -> dict[Key, Count]:
    """Return the counts that judging an attempt needs, as they are at its moment. One statement."""
    if (world := simulated.world()) is not None:
        return dict(world.counts.read(attempt))
    wanted = list(keys(attempt))
    found = stored(wanted, attempt.at)
    for key in wanted:
        if (pending := runtime().additions.get(key)) is not None:
            found[key] = _sum(found.get(key, Count(attempt.at)), pending, attempt.at)
    return found


def stored(wanted: Iterable[Key], at: float) -> dict[Key, Count]:
    """Return what is written of some counts, as it is at a moment. One statement."""
    by_name = {_name(key): key for key in wanted}
    return {by_name[row.key]: _count(row, at) for row in run(_READ, keys=list(by_name))}


def add(at: float, changes: Sequence[Change]) -> None:
    """Count what happened; it is written within about a second."""
    if (world := simulated.world()) is not None:
        world.counts.write(at, list(changes))
        return
    runtime().additions.add(at, changes)


def write(*, now: bool = False) -> None:
    """Write what is due, in a transaction of its own and in the order of keys, so that no two writers deadlock.

    What cannot be written is lost, and logged: it is evidence, not a limit.

    :param now: also before its time; otherwise nothing while another thread is writing.
    """
    additions: Additions = runtime().additions
    if not additions.writing.acquire(blocking=now):
        return
    try:
        if taken := additions.take(now=now):
            _write(taken)
    finally:
        additions.writing.release()


def _write(taken: Mapping[Key, Count]) -> None:
    rows = sorted((_row(key, count) for key, count in taken.items()), key=lambda row: str(row["key"]))
    try:
        with runtime().db.engine.begin() as connection:
            connection.execute(_add_statement(connection.dialect.name), rows)
    except SQLAlchemyError as error:
        log.error("%d counts could not be written: %s", len(rows), error.__cause__ or error)  # noqa: TRY400


def forget(now: float) -> int:
    """Delete counts of which less than :data:`NEGLIGIBLE` is left; return how many.

    Whoever fails on purpose chooses what is counted: one failure is kept for two weeks. A slow spray loses no more by
    that than a count is off by anyway, for what is deleted would have been less and less.
    """
    period, growth = _period(now, SLOW)
    least = case(
        (_counts.slow_period >= period, NEGLIGIBLE * growth),
        (_counts.slow_period == period - 1, NEGLIGIBLE * growth / _AGED),
        else_=float("1e300"),
    )
    is_negligible = (_counts.ok < least, _counts.users < least, _counts.accounts < least)
    return run(delete(table_of(RiskCount)).where(*is_negligible)).rowcount


def _name(key: Key) -> str:
    return f"{key[0]}:{key[1]}"


def _period(at: float, half_life: float) -> tuple[int, float]:
    """Return the number of a moment's period, and the factor that counts have grown by since its start."""
    length = half_life * HALF_LIVES
    number = int(at // length)
    return number, 2.0 ** ((at - number * length) / half_life)


def _row(key: Key, count: Count) -> dict[str, Any]:
    """Return pending counts, scaled to the start of their period."""
    (slow, slow_growth), (fast, fast_growth) = _period(count.at, SLOW), _period(count.at, FAST)
    scaled = {name: getattr(count, name) * slow_growth for name in SLOW_COUNTS}
    scaled |= {name: getattr(count, name) * fast_growth for name in FAST_COUNTS}
    return {"key": _name(key), "slow_period": slow, "fast_period": fast, **scaled}


def _count(row: Any, at: float) -> Count:
    """Return stored counts as they are at a moment."""
    slow, fast = _decayed(at, row.slow_period, SLOW), _decayed(at, row.fast_period, FAST)
    return Count(
        at,
        ok=row.ok * slow,
        users=row.users * slow,
        failed=row.failed * slow,
        accounts=row.accounts * slow,
        burst=row.burst * fast,
        burst_accounts=row.burst_accounts * fast,
    )


def _decayed(at: float, period: int, half_life: float) -> float:
    """Return what is left of one that was counted when a period began; a clock that went back changes nothing."""
    left: float = 0.5 ** max(0.0, at / half_life - period * HALF_LIVES)
    return left


def _sum(stored: Count, pending: Count, at: float) -> Count:
    now = copy(pending)  # others read it
    now.move_to(at)
    for name in (*SLOW_COUNTS, *FAST_COUNTS):
        setattr(stored, name, getattr(stored, name) + getattr(now, name))
    return stored


@cache
def _add_statement(dialect_name: str) -> Executable:
    statement = insert(RiskCount, dialect_name)
    new = statement.excluded
    changed: dict[str, ColumnElement[Any]] = {}
    for period, names in (("slow_period", SLOW_COUNTS), ("fast_period", FAST_COUNTS)):
        stored, added = _counts[period], new[period]
        changed[period] = case((stored > added, stored), else_=added)
        for name in names:
            # A period may begin between two writers, or a clock be late: what belongs to the older one is aged.
            changed[name] = case(
                (stored == added, _counts[name] + new[name]),
                (stored == added - 1, _counts[name] * _AGED + new[name]),
                (stored > added, _counts[name] + new[name] * _AGED),
                else_=new[name],
            )
    return statement.on_conflict_do_update(index_elements=["key"], set_=changed)
