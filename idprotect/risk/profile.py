"""What is habitual for one user: learnt from sign-ins that ended well, bounded, and forgotten when it grows old.

Addresses are kept as pseudonyms only. A profile is a value: the caller reads it, lets it learn, and stores it
(:mod:`idprotect.risk.stored_profile`): without the names of fields, so a new field goes last, with a default.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import Struct, field

from idprotect.risk.attempt import Attempt, Kind
from idprotect.risk.network import Location

DAY = 86400.0
#: How many values of one kind are remembered; the least recently seen goes first.
MOST_VALUES = 24
MOST_DEVICES = 12
MOST_SESSIONS = 8
#: Sessions let in at risk have places of their own: whoever has the password must not push out the owner's.
MOST_SESSIONS_AT_RISK = 4
MOST_FAILURES = 16
#: So many sign-ins at one address make it home.
HABIT = 5
#: What was not seen for so long is new again.
FORGOTTEN_AFTER = 180 * DAY


@dataclass(frozen=True, slots=True)
class Learning:
    """When a user is still being learnt, so that what is unfamiliar means nothing.

    :param days: learning lasts at least so long, and
    :param sign_ins: until so many sign-ins ended well.
    :param inactive_days: after so long without one it begins again.
    """

    days: float = 5.0
    sign_ins: int = 3
    inactive_days: float = 60.0

    def reason(self, profile: "Profile", now: float) -> str:
        """Return why the user is still being learnt; empty when not."""
        if profile.since is None or profile.learnt_at is None:
            return "learning this user: no sign-in was learnt yet"
        if self.starts_anew(profile, now):
            return f"learning this user anew: no sign-in for more than {self.inactive_days:g} days"
        left = self.sign_ins - profile.since_learnt
        until = profile.since + self.days * DAY
        if left <= 0 and now >= until:
            return ""
        day = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
        more = f", and {left} more sign-ins" if left > 0 else ""
        return f"learning this user until {day}{more}"

    def starts_anew(self, profile: "Profile", now: float) -> bool:
        """Whether a sign-in now begins a new time of learning."""
        if profile.since is None or profile.learnt_at is None:
            return True
        return now - profile.learnt_at > self.inactive_days * DAY


class Seen(Struct, array_like=True, gc=False):
    """How often a value was seen, first and last (seconds since 1970)."""

    count: int
    first: float
    last: float


class Point(Struct, array_like=True, gc=False):
    """Where and when somebody was."""

    at: float
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: float | None = None
    asn: int | None = None
    country: str | None = None
    hosting: bool = False
    mobile: bool = False

    @classmethod
    def of(cls, attempt: Attempt) -> "Point":
        """Return where an attempt came from."""
        network = attempt.network
        place = (network.location if network else None) or Location()
        return cls(
            attempt.at,
            place.latitude,
            place.longitude,
            place.accuracy_km,
            network.asn if network else None,
            place.country,
            bool(network and network.hosting),
            bool(network and network.mobile),
        )


class Device(Struct, array_like=True, gc=False):
    """A browser that holds one of our device cookies, or a session's cookie, as it was seen last.

    :ivar at_risk: of a session: it was let in at risk, and may be somebody else's.
    """

    count: int
    first: float
    point: Point
    site: str
    block: str
    exact: str
    family: str
    system: str
    kind: str
    version: int | None = None
    platform_version: str | None = None
    model: str | None = None
    device: str | None = None
    at_risk: bool = False

    @property
    def name(self) -> str:
        """Browser and system without versions."""
        return f"{self.family}/{self.system}"


class Failure(Struct, array_like=True, gc=False):
    """One wrong password on this account."""

    at: float
    site: str
    block: str
    exact: str


class Profile(Struct, array_like=True):
    """What is remembered of one user.

    :ivar since: when learning began (again); None before anything was learnt.
    :ivar learnt_at: when a sign-in was last learnt.
    :ivar learnt, since_learnt: sign-ins learnt altogether, and since then.
    :ivar with_device: how many of them came with a known device cookie.
    :ivar with_hints: how many sent client hints.
    :ivar last: where the user was last; None when that may have been somebody else.
    :ivar seen: ``kind:value`` → how often.
    :ivar succeeded_at, in_a_row: when a password was last right and let in, and how many were wrong since.
    :ivar failures: the newest wrong passwords, in order.
    :ivar denied: when second factors failed or sign-ins were blocked.
    :ivar compromised_at: when somebody last confirmed that a sign-in was not the owner's.
    """

    since: float | None = None
    learnt_at: float | None = None
    learnt: int = 0
    since_learnt: int = 0
    with_device: int = 0
    with_hints: int = 0
    last: Point | None = None
    seen: dict[str, Seen] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    sessions: dict[str, Device] = field(default_factory=dict)
    hours: list[float] = field(default_factory=list)
    round_trip_ms: float | None = None
    succeeded_at: float | None = None
    in_a_row: int = 0
    failures: list[Failure] = field(default_factory=list)
    denied: list[float] = field(default_factory=list)
    compromised_at: float | None = None

    def times(self, kind: str, value: object, now: float) -> int:
        """Return how often a value was seen; 0 when it never was, or too long ago."""
        seen = self.seen.get(f"{kind}:{value}")
        return seen.count if seen is not None and now - seen.last < FORGOTTEN_AFTER else 0

    def knows(self, kind: str) -> bool:
        """Whether any value of a kind was ever learnt; if not, that one is new says nothing."""
        return any(key.startswith(f"{kind}:") for key in self.seen)

    def is_home(self, attempt: Attempt) -> bool:
        """Whether the user has often been at this address, and comes in a known browser: as sure as habits can be."""
        is_often = self.times("site", attempt.site, attempt.at) >= HABIT
        return is_often and attempt.device in self.devices

    def failed_at(self, site: str) -> int:
        """Return how many of the wrong passwords since the last success came from one address."""
        since = self.succeeded_at or 0.0
        return sum(failure.site == site and failure.at > since for failure in self.failures)

    def learn(self, attempt: Attempt, learning: Learning, device: str | None, session: str | None) -> None:
        """Let a sign-in that ended well become habit.

        :param device: id of the device cookie that the browser holds from now on.
        :param session: id of the session that was begun.
        """
        now = attempt.at
        if learning.starts_anew(self, now):
            self.since, self.since_learnt = now, 0
        self.learnt_at = max(now, self.learnt_at or now)
        self.learnt += 1
        self.since_learnt += 1
        self._learn_habits(attempt, now)
        for kind, value in values(attempt):
            self._see(kind, value, now)
        if device is not None:
            former = self.devices.get(device) or self.devices.get(attempt.device or "")
            _keep(self.devices, device, _device(attempt, former, None), MOST_DEVICES)
        if session is not None:
            self.begin(attempt, device, session)
        self._was_at(Point.of(attempt))
        self._succeed(now)

    def begin(self, attempt: Attempt, device: str | None, session: str, *, at_risk: bool = False) -> None:
        """Remember a session as it was begun, to recognise its browser."""
        begun = _device(attempt, None, device or attempt.device)
        begun.at_risk = at_risk
        self._keep_session(session, begun)
        self._succeed(attempt.at)

    def confirm(self, attempt: Attempt) -> None:
        """Let the context of a sign-in that its owner, or an administrator, vouched for be known from then on."""
        for kind, value in values(attempt):
            self._see(kind, value, attempt.at)

    def learn_session(self, attempt: Attempt) -> None:
        """Let a session that moved to another network, and was let through, be known there."""
        former = self.sessions.get(attempt.session or "")
        if attempt.session is None or (former is not None and former.site == attempt.site):
            return
        moved = _device(attempt, former, attempt.device)
        moved.at_risk = former is not None and former.at_risk
        self._keep_session(attempt.session, moved)
        if (device := self.devices.get(attempt.device or "")) is not None:
            device.point, device.site, device.block = Point.of(attempt), attempt.site, attempt.block
        for kind, value in values(attempt):
            self._see(kind, value, attempt.at)
        self._was_at(Point.of(attempt))

    def fail(self, attempt: Attempt) -> None:
        """Count a wrong password. It teaches nothing about who the owner is.

        One address makes room for itself: whoever fails there cannot push out what happened elsewhere.
        """
        self.in_a_row += 1
        self.failures.append(Failure(attempt.at, attempt.site, attempt.block, attempt.browser.exact))
        if len(self.failures) > MOST_FAILURES:
            (crowded, _), *_ = Counter(failure.site for failure in self.failures).most_common(1)
            self.failures.remove(next(failure for failure in self.failures if failure.site == crowded))

    def deny(self, attempt: Attempt) -> None:
        """Note that a sign-in with the right password was stopped; the wrong ones before it go on counting."""
        self.denied.append(attempt.at)
        del self.denied[:-MOST_FAILURES]

    def restart(self, now: float) -> None:
        """Learn anew from now on, without forgetting."""
        self.since, self.since_learnt = now, 0

    def forget_since(self, at: float) -> None:
        """Unlearn what was first seen at or after a moment, and browsers used since: they may be an intruder's.

        How long the user has been known stays, or an intruder who is found out would make everything new harmless.
        """
        self.seen = {key: seen for key, seen in self.seen.items() if seen.first < at}
        self.devices = {key: device for key, device in self.devices.items() if device.point.at < at}
        self.sessions = {key: session for key, session in self.sessions.items() if session.point.at < at}
        if self.last is not None and self.last.at >= at:
            self.last = None
        self.compromised_at = at

    def _keep_session(self, key: str, session: Device) -> None:
        """Put the newest last; the oldest of its own kind makes room."""
        self.sessions.pop(key, None)
        self.sessions[key] = session
        alike = [other for other, kept in self.sessions.items() if kept.at_risk == session.at_risk]
        if len(alike) > (MOST_SESSIONS_AT_RISK if session.at_risk else MOST_SESSIONS):
            del self.sessions[alike[0]]

    def _succeed(self, now: float) -> None:
        self.in_a_row, self.succeeded_at = 0, max(now, self.succeeded_at or now)

    def _was_at(self, point: Point) -> None:
        """Remember where the user was last; events may arrive out of order."""
        if self.last is None or point.at >= self.last.at:
            self.last = point

    def _learn_habits(self, attempt: Attempt, now: float) -> None:
        self.with_device += attempt.device in self.devices
        self.with_hints += attempt.browser.hints and attempt.platform_version is not None
        self.hours = self.hours or [0.0] * 24
        self.hours[int(now % DAY // 3600)] += 1
        if attempt.round_trip_ms is not None:
            former = self.round_trip_ms or attempt.round_trip_ms
            self.round_trip_ms = former + (attempt.round_trip_ms - former) / 4

    def _see(self, kind: str, value: object, now: float) -> None:
        key = f"{kind}:{value}"
        seen = self.seen.get(key)
        if seen is not None and now - seen.last < FORGOTTEN_AFTER:
            seen.count, seen.last = seen.count + 1, max(now, seen.last)
            return
        self.seen[key] = Seen(1, now, now)
        mine = [other for other in self.seen if other.startswith(f"{kind}:")]
        if len(mine) > MOST_VALUES:
            del self.seen[min(mine, key=lambda other: self.seen[other].last)]


def values(attempt: Attempt) -> Iterator[tuple[str, object]]:
    """Return what an attempt would teach, by kind; what is not known teaches nothing."""
    network, browser = attempt.network, attempt.browser
    if attempt.site:
        yield "site", attempt.site
        yield "block", attempt.block
    if network is not None and network.asn is not None:
        yield "asn", network.asn
    if network is not None and network.hosting:
        yield "use", "hosting"
    if attempt.place is not None:
        yield "place", attempt.place
    if attempt.country is not None:
        yield "country", attempt.country
    if attempt.kind is Kind.PASSWORD:
        yield "exact", browser.exact
        yield "browser", browser.name
        if attempt.platform_version is not None:
            yield "hardware", hardware(attempt)


def hardware(attempt: Attempt) -> str:
    """Return what client hints say of the machine, whatever browser runs on it."""
    return f"{attempt.browser.system}/{attempt.model}/{attempt.platform_version}"


def _device(attempt: Attempt, former: Device | None, device: str | None) -> Device:
    browser = attempt.browser
    return Device(
        count=former.count + 1 if former else 1,
        first=former.first if former else attempt.at,
        point=Point.of(attempt),
        site=attempt.site,
        block=attempt.block,
        exact=browser.exact,
        family=browser.family,
        system=browser.system,
        kind=browser.kind,
        version=browser.version,
        platform_version=attempt.platform_version,
        model=attempt.model,
        device=device,
    )


def _keep(kept: dict[str, Device], key: str, device: Device, most: int) -> None:
    """Put the newest last, and let the oldest go."""
    kept.pop(key, None)
    kept[key] = device
    if len(kept) > most:
        del kept[next(iter(kept))]
