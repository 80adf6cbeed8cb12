"""What everyone does: decaying counts by address, network, browser, kept apart from any one user.

Exponential decay needs no windows: a slow campaign leaves a trace that a window forgets (Herley and Schechter,
NDSS 2019, on what the ratio of failures to successes tells of a subset of the traffic).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from msgspec import Struct

from idprotect.risk.attempt import Attempt, Kind, Result
from idprotect.risk.levels import RiskLevel
from idprotect.risk.outcome import ended_well
from idprotect.risk.profile import DAY, Profile

SLOW = 7 * DAY
FAST = 3600.0

Key = tuple[str, str]
TOTAL: Key = ("all", "")


class Count(Struct, gc=False):
    """Decayed counts of one value, at one moment.

    :ivar ok: successes that ended well; half-life :data:`SLOW`.
    :ivar users: accounts that learnt the value; each is worth one when it does so, half-life :data:`SLOW` too.
    :ivar failed: wrong passwords; slow.
    :ivar accounts: accounts they were wrong for; slow.
    :ivar burst, burst_accounts: the same two with half-life :data:`FAST`.
    """

    at: float = 0.0
    ok: float = 0.0
    users: float = 0.0
    failed: float = 0.0
    accounts: float = 0.0
    burst: float = 0.0
    burst_accounts: float = 0.0

    def move_to(self, now: float) -> None:
        """Let time pass."""
        passed = now - self.at
        if passed <= 0:
            return
        slow, fast = 0.5 ** (passed / SLOW), 0.5 ** (passed / FAST)
        self.at = now
        self.ok, self.users = self.ok * slow, self.users * slow
        self.failed, self.accounts = self.failed * slow, self.accounts * slow
        self.burst, self.burst_accounts = self.burst * fast, self.burst_accounts * fast

    def add(self, change: "Change") -> None:
        """Add what happened now."""
        self.ok += change.ok
        self.users += change.users
        self.failed += change.failed
        self.accounts += change.accounts
        self.burst += change.failed
        self.burst_accounts += change.accounts


class Change(Struct, frozen=True):
    """What one outcome adds to the count of one value."""

    key: Key
    ok: int = 0
    users: float = 0
    failed: int = 0
    accounts: int = 0


Counts = Mapping[Key, Count]
NOBODY = Count()


def reaches(count: float, threshold: float) -> bool:
    """Whether a decayed count, rounded, is a threshold or more: three accounts of this morning are three."""
    return count >= threshold - 0.5


def keys(attempt: Attempt) -> Iterator[Key]:
    """Return what is counted of an attempt, and has to be read to judge it."""
    yield TOTAL
    if attempt.site:
        yield "site", attempt.site
    if attempt.network is not None and attempt.network.asn is not None:
        yield "asn", str(attempt.network.asn)
    if attempt.country is not None:
        yield "country", attempt.country
    if attempt.kind is Kind.SESSION:
        return
    if attempt.browser.exact:
        yield "exact", attempt.browser.exact
    if attempt.browser.exact and attempt.network is not None and attempt.network.asn is not None:
        yield "wave", f"{attempt.network.asn} {attempt.browser.exact}"
    if attempt.device is not None:
        yield "device", attempt.device
        if attempt.country is not None:
            yield "device_country", f"{attempt.device} {attempt.country}"


def changes(
    attempt: Attempt, result: Result, level: RiskLevel, profile: Profile | None, device: str | None = None
) -> list[Change]:
    """Return what an outcome adds: wrong passwords, and what ended well. What was let in at risk counts for nothing.

    :param profile: the user's before it learnt of the outcome; None: no such user.
    :param device: id of the device cookie that the browser holds from now on.
    """
    if attempt.kind is Kind.SESSION:
        return []
    if result is Result.FAILURE:
        return [
            Change(key, failed=1, accounts=_is_first_failure(key, attempt, profile)) for key in keys(attempt)
        ]
    if not ended_well(result, level):
        return []
    if device is not None and device != attempt.device:
        attempt = replace(attempt, device=device)
    return [Change(key, ok=1, users=_missing(key, attempt, profile)) for key in keys(attempt)]


def _is_first_failure(key: Key, attempt: Attempt, profile: Profile | None) -> bool:
    """Whether this account has not failed with this value in the last day, as far as its newest failures tell."""
    recent = [f for f in profile.failures if attempt.at - f.at < DAY] if profile is not None else []
    match key[0]:
        case "site":
            return all(failure.site != attempt.site for failure in recent)
        case "exact" | "wave":
            return all(failure.exact != attempt.browser.exact for failure in recent)
    return not recent


def _missing(key: Key, attempt: Attempt, profile: Profile | None) -> float:
    """Return what is missing from one for this account at this value, after what it was worth last has decayed."""
    if profile is None:
        return 0.0
    last = _last(key, attempt, profile)
    return 1.0 - 0.5 ** (max(0.0, attempt.at - last) / SLOW) if last is not None else 1.0


def _last(key: Key, attempt: Attempt, profile: Profile) -> float | None:
    """Return when the account learnt this value last; None when it never did."""
    if key == TOTAL:
        return profile.learnt_at
    if key[0] in ("device", "device_country"):
        device = profile.devices.get(attempt.device or "")
        return device.point.at if device is not None else None
    seen = profile.seen.get(":".join(key))
    return seen.last if seen is not None else None


@dataclass
class MemoryCounts:
    """Counts in memory, for replay."""

    counts: dict[Key, Count] = field(default_factory=dict)

    def read(self, attempt: Attempt) -> Counts:
        """Return the counts that judging an attempt needs, as they are at that moment."""
        found = {}
        for key in keys(attempt):
            if (count := self.counts.get(key)) is not None:
                count.move_to(attempt.at)
                found[key] = count
        return found

    def write(self, at: float, added: list[Change]) -> None:
        """Add what happened."""
        for change in added:
            count = self.counts.setdefault(change.key, Count(at))
            count.move_to(at)
            count.add(change)
