"""What the stored log says of policies on trial and of a draft, as far as somebody would wait for the page."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from idprotect import clock, policies, receipts
from idprotect.conditional_access import PolicySet, PolicyState
from idprotect.insights.effect import Effect, effects
from idprotect.insights.replay import Report, replay
from idprotect.lists.listing import PERIODS, period
from idprotect.models import Receipt, session

#: Decisions that are gone through for a page; the command line goes through all.
MOST_DECISIONS = 20_000
USUAL = "7d"
LISTED = 20


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
