"""Evidence from wrong passwords: on this account, and on many from the same address, network or browser."""

from math import log, log1p

from idprotect.risk.attempt import Attempt
from idprotect.risk.population import NOBODY, TOTAL, Count, Counts
from idprotect.risk.profile import DAY, MOST_FAILURES, Profile

HOUR = 3600.0
#: A profile remembers so few failures that more would depend on which ones (:meth:`Profile.fail`).
MOST_ELSEWHERE = log1p(MOST_FAILURES // 2)

#: Where more accounts fail than succeed altogether, that is an attack, and not what is usual.
MOST_USUAL = 1.0


def own_failures(attempt: Attempt, profile: Profile) -> dict[str, float]:
    """Return what recent wrong passwords on this account say.

    One's own mistakes, where one is known, say nothing against one; but nobody may look familiar by failing. Nor can
    a stranger's failures be held against the owner at home.
    """
    now = attempt.at
    hour = [failure for failure in profile.failures if now - failure.at < HOUR]
    here = sum(failure.site == attempt.site for failure in hour)
    is_known = attempt.device in profile.devices or profile.times("site", attempt.site, now)
    found: dict[str, float] = {
        "failed_here": log1p(here) if is_known else 0.0,
        "failed_elsewhere": min(MOST_ELSEWHERE, log1p(len(hour) - here)),
        "denied": min(2.0, log1p(sum(now - at < 7 * DAY for at in profile.denied))),
    }
    if not profile.times("block", attempt.block, now):
        week = [failure for failure in profile.failures if now - failure.at < 7 * DAY]
        strange = sum(not profile.times("block", failure.block, now) for failure in week)
        found["failed_strange"] = min(3.0, log1p(strange))
        at = profile.compromised_at
        found["compromised"] = at is not None and now - at < 30 * DAY
    return found


def surges(attempt: Attempt, profile: Profile, counts: Counts) -> dict[str, float]:
    """Return how far failures exceed what is usual, by address, network and browser, as far as each is new to the user.

    In any part of the traffic the share of failures above everyone's is attacks (Herley and Schechter, NDSS 2019).
    """
    total, now, network = counts.get(TOTAL, NOBODY), attempt.at, attempt.network
    found: dict[str, float] = {}
    if not profile.times("site", attempt.site, now):
        found["site_surge"] = surge(counts.get(("site", attempt.site), NOBODY), total)
    if network is not None and network.asn is not None and not profile.times("asn", network.asn, now):
        found["asn_surge"] = surge(counts.get(("asn", str(network.asn)), NOBODY), total)
    if attempt.browser.exact and not profile.times("exact", attempt.browser.exact, now):
        found["browser_surge"] = surge(counts.get(("exact", attempt.browser.exact), NOBODY), total)
    return found


def surge(count: Count, total: Count) -> float:
    """Return by how many e-folds failing accounts a success exceed everyone's, at most 3.

    Fewer than four accounts say little.
    """
    base = min(MOST_USUAL, (total.accounts + 1) / (total.ok + 10))
    ratio = (count.accounts + base) / (count.ok + 1)
    return min(3.0, max(0.0, log(ratio / base))) * min(1.0, count.accounts / 4)
