"""The numbers of the overview. Each equals the count of a list, to which it leads; both are the same condition."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement, case, func, select
from werkzeug.datastructures import MultiDict

from idprotect import clock
from idprotect.lists import LISTINGS, paging
from idprotect.lists.listing import Asked
from idprotect.lists.sign_ins import NOT_ALLOWED, PROMPTS
from idprotect.models import Receipt, RiskDetection, SignIn, dialect, session
from idprotect.risk import RiskLevel

Series = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Number:
    """A number with its list behind it.

    :param urgent: somebody should look at it when it is not nought.
    """

    label: str
    value: int
    url: str
    urgent: bool = False

    @property
    def text(self) -> str:
        """The number, as the list says it."""
        return f"more than {paging.COUNTED:,}" if self.value > paging.COUNTED else f"{self.value:,}"


@dataclass(frozen=True)
class Days:
    """What happened on each day, oldest first.

    :param detections: level → how many were found.
    :param asked: outcome → how many sign-ins were asked for that, and for nothing that is more.
    :param blocked: sign-ins that were stopped.
    :param sign_ins: with the right password.
    """

    days: Sequence[date]
    detections: Series
    asked: Series
    blocked: Sequence[int]
    sign_ins: Sequence[int]

    @property
    def prompted(self) -> list[int]:
        """How many sign-ins were asked for anything."""
        return [sum(values) for values in zip(*self.asked.values(), strict=True)]

    @property
    def prompts_per_100(self) -> list[float]:
        """How many of a hundred sign-ins were asked for something."""
        pairs = zip(self.prompted, self.sign_ins, strict=True)
        return [round(100 * asked / all_of_them, 1) if all_of_them else 0.0 for asked, all_of_them in pairs]


@dataclass(frozen=True)
class Measure:
    """Something that was achieved in some days, with the list that it can be counted in.

    :param text: the number, or a duration.
    """

    label: str
    text: str
    url: str


#: What waits for somebody: label, list, filters, and whether it is urgent.
WAITING = (
    ("People at high risk", "risky_users", {"level": "high", "state": "open"}, True),
    ("People at risk", "risky_users", {"state": "open"}, False),
    ("Risky sign-ins that got in", "risky_sign_ins", {"outcome": "completed", "state": "open"}, True),
    ("Open detections", "detections", {"state": "open"}, False),
    ("Detections in 24 hours", "detections", {"within": "24h"}, False),
    ("Second factor overdue", "users", {"factor": "overdue"}, True),
    ("Second factor pending", "users", {"factor": "pending"}, False),
    ("Sessions at risk", "sessions", {"now": "low"}, True),
)


def waiting() -> list[Number]:
    """Return what waits for somebody."""
    return [number(label, name, filters, urgent=urgent) for label, name, filters, urgent in WAITING]


def number(label: str, name: str, filters: Mapping[str, str], *, urgent: bool = False) -> Number:
    """Return the count of a list, with the way to it."""
    asked = Asked.of(LISTINGS[name], MultiDict(filters))
    arguments: dict[str, Any] = dict(filters)
    url = url_for(f"idprotect_admin_{name}.index", **arguments)
    return Number(label, paging.count(asked), url, urgent)


def measures(days: int) -> list[Measure]:
    """Return what was achieved in the last days; each is worked out from the rows of its list alone."""
    since = {"within": f"{days}d"}
    stopped = number("Risky sign-ins stopped", "risky_sign_ins", {"outcome": "stopped", **since})
    proved = number(
        "Risky sign-ins that proved a second factor", "risky_sign_ins", {"detail": "user_passed_mfa", **since}
    )
    closed = {"state": "remediated", "closed": f"{days}d"}
    remediated = number("Median time to remediate", "detections", closed)
    return [
        Measure(stopped.label, stopped.text, stopped.url),
        Measure(proved.label, proved.text, proved.url),
        Measure(remediated.label, in_words(_median_time(closed)), remediated.url),
    ]


def in_words(time: timedelta | None) -> str:
    """Return a duration as people say it, in one unit."""
    if time is None:
        return "–"
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if time >= 2 * length:
            return f"{time / length:.0f} {unit}"
    return f"{time.total_seconds():.0f} s"


def _median_time(filters: Mapping[str, str]) -> timedelta | None:
    """Return how long it took from the detection to its end, in the middle of the newest rows of the list."""
    asked = Asked.of(LISTINGS["detections"], MultiDict(filters))
    found = select(RiskDetection.detected_at, RiskDetection.closed_at).where(asked.condition())
    rows = session().execute(found.order_by(RiskDetection.detected_at.desc()).limit(paging.COUNTED))
    seconds = [(closed_at - detected_at).total_seconds() for detected_at, closed_at in rows if closed_at]
    return timedelta(seconds=median(seconds)) if seconds else None


def by_day(count: int) -> Days:
    """Count what happened on each of the last days, today included (UTC)."""
    today = clock.now().date()
    days = [today - timedelta(days=back) for back in reversed(range(count))]
    return Days(days, _detections(days), *_interrupted(days), _sign_ins(days))


def _detections(days: Sequence[date]) -> Series:
    day = _day(RiskDetection.detected_at)
    since = (RiskDetection.detected_at >= _start(days), ~RiskDetection.simulated)
    found = select(day, RiskDetection.level, func.count()).where(*since).group_by(day, RiskDetection.level)
    counts = {(row[0], row[1]): row[2] for row in session().execute(found)}
    levels = (RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH)
    return {level.label: [counts.get((str(d), int(level)), 0) for d in days] for level in levels}


def _interrupted(days: Sequence[date]) -> tuple[Series, Sequence[int]]:
    """Count sign-ins by the most they were asked for, and those stopped, each on the day on which it began."""
    most = func.max(
        case({name: rank for rank, name in enumerate(PROMPTS, 1)}, value=Receipt.outcome, else_=0)
    )
    stopped = func.max(case((Receipt.outcome == "blocked", 1), else_=0))
    each = (
        select(_day(SignIn.signed_in_at).label("day"), most.label("most"), stopped.label("stopped"))
        .join_from(Receipt, SignIn, SignIn.id == Receipt.sign_in_id)
        .where(
            NOT_ALLOWED,
            Receipt.at >= _start(days),
            SignIn.signed_in_at >= _start(days),
            ~SignIn.simulated,
        )
        .group_by(SignIn.id, SignIn.signed_in_at)
        .subquery()
    )
    counted = select(each.c.day, each.c.most, func.count(), func.sum(each.c.stopped))
    asked: Counter[tuple[str, int]] = Counter()
    blocked: Counter[str] = Counter()
    for day, rank, number_of, stopped_of in session().execute(counted.group_by(each.c.day, each.c.most)):
        asked[day, rank] += number_of
        blocked[day] += int(stopped_of)
    series = {name: [asked[str(d), rank] for d in days] for rank, name in enumerate(PROMPTS, 1)}
    return series, [blocked[str(d)] for d in days]


def _sign_ins(days: Sequence[date]) -> Sequence[int]:
    """Count the good sign-ins of each day; a range a day is read from the index alone."""
    at, start = SignIn.signed_in_at, _start(days)
    counts = []
    for place in range(len(days)):
        of_day = (at >= start + timedelta(days=place), at < start + timedelta(days=place + 1))
        counts.append(
            session().scalar(
                select(func.count()).select_from(SignIn).where(*of_day, SignIn.succeeded, ~SignIn.simulated)
            )
            or 0
        )
    return counts


def _start(days: Sequence[date]) -> Any:
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=len(days) - 1)


def _day(column: Any) -> ColumnElement[str]:
    """Return the day of a time in UTC, as text, on either database."""
    if dialect() == "postgresql":
        return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD")
    return func.strftime("%Y-%m-%d", column)
