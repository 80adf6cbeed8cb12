"""What would come of a draft, and what policies on trial would have done, as far as somebody would wait for a page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from idprotect import clock, people, policies, receipts, users
from idprotect.conditional_access import PolicySet, PolicyState, parse_policies
from idprotect.insights import differences, guards
from idprotect.insights.differences import Difference
from idprotect.insights.effect import Effect, effects
from idprotect.insights.impact import Impact, impact
from idprotect.insights.replay import Report, replay
from idprotect.lists.listing import PERIODS, period
from idprotect.models import Receipt, session

#: People and decisions that are gone through for a page; the command line goes through all.
MOST_PEOPLE, MOST_DECISIONS = 5_000, 20_000
USUAL = "7d"
LISTED = 20


@dataclass(frozen=True)
class Preview:
    """What would come of a draft.

    :ivar to_confirm: the policies that begin to stop everybody everywhere.
    :ivar hit: None where there are too many people to go through.
    :ivar is_replayed: the stored log was asked for, too; ``replayed`` is None where it is too long.
    """

    policies: PolicySet
    changes: list[Difference]
    to_confirm: list[str]
    hit: Impact | None
    is_replayed: bool
    replayed: Report | None


def preview(
    draft: dict[str, Any], confirmation: str = guards.CONFIRMATION, *, wants_replay: bool = False
) -> Preview:
    """Look at a draft.

    :raises PolicyError: when it could not be put into force.
    """
    good = policies.check(draft, confirmation)
    return Preview(
        good,
        differences.by_name(policies.document(), draft),
        guards.newly_blocking_everyone(policies.current(), good),
        hit_by(good),
        wants_replay,
        replayed(parse_policies(draft)) if wants_replay else None,
    )


def hit_by(after: PolicySet) -> Impact | None:
    """Return who would notice at an ordinary sign-in now; None where there are too many people to wait for it."""
    if users.count() > MOST_PEOPLE:
        return None
    return impact(policies.current(), after, people.everybody(after))


def report(within: str) -> list[dict[str, Any]] | None:
    """Count what each policy on trial would have done, by sign-in; None when there is too much to go through."""
    since = _since(within)
    if _is_long(since):
        return None
    on_trial = {p.name for p in policies.current().policies if p.state is PolicyState.REPORT_ONLY}
    counted = effects(receipts.log(since))
    return [
        {
            "policy": name,
            "on_trial": name in on_trial,
            "counts": {effect: counts[effect] for effect in Effect},
        }
        for name, counts in sorted(counted.items())
    ]


def replayed(draft: PolicySet, within: str = USUAL) -> Report | None:
    """Run a draft over the stored log; None when there is too much to go through."""
    since = _since(within)
    return None if _is_long(since) else Report.of(replay(draft, receipts.log(since)), LISTED)


def _since(within: str) -> datetime:
    return clock.now() - period(within if within in PERIODS else USUAL)


def _is_long(since: datetime) -> bool:
    some = select(Receipt.id).where(Receipt.at >= since).limit(MOST_DECISIONS + 1).subquery()
    return (session().scalar(select(func.count()).select_from(some)) or 0) > MOST_DECISIONS
