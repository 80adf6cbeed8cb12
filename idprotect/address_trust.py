"""Whether the address that requests seem to come from may be judged by: an administrator has to say so.

Behind a proxy that nobody named, everybody comes from one address; with a network named too wide, everybody chooses
theirs. Judging by that is worse than not judging, so signals by address are *not evaluated* until somebody looked at
what is seen and confirmed it, for the proxies that are named now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from idprotect import audit, clock, simulated
from idprotect.audit import Event
from idprotect.models import AddressTrust, run, session, table_of
from idprotect.runtime import runtime, settings

UNCONFIRMED = "nobody confirmed that the addresses of visitors are seen rightly (flask idprotect proxy check)"
#: For so long a worker does not look again whether a confirmation was withdrawn.
REMEMBERED = timedelta(minutes=1)

_trust = table_of(AddressTrust)
_NEWEST = select(_trust).order_by(_trust.c.id.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Who confirmed when that addresses are seen rightly."""

    by: str
    at: datetime
    reason: str


def confirmation() -> Confirmation | None:
    """Return the confirmation that is in force: the newest, if it is of the proxies that are named now."""
    newest = run(_NEWEST).first()
    if newest is None or newest.withdrawn or newest.proxies != _proxies():
        return None
    return Confirmation(newest.by, newest.at, newest.reason)


def why_not(*, is_direct: bool) -> str:
    """Return why a request's address is not judged by; empty when it is.

    :param is_direct: nothing speaks for a proxy in between, so that there is nothing to confirm. Whoever pretends to
        come by one gains no more than everybody has before the confirmation.
    """
    if is_direct or settings().development or simulated.is_running() or _is_confirmed():
        return ""
    return UNCONFIRMED


def confirm(by: str, reason: str) -> None:
    """Let signals by address count, with the proxies that are named now."""
    _write(by, reason, withdrawn=False)


def withdraw(by: str, reason: str) -> None:
    """Let signals by address count no more. Other workers follow within a minute."""
    _write(by, reason, withdrawn=True)


def _write(by: str, reason: str, *, withdrawn: bool) -> None:
    session().add(AddressTrust(proxies=_proxies(), withdrawn=withdrawn, by=by, at=clock.now(), reason=reason))
    event = Event.ADDRESSES_WITHDRAWN if withdrawn else Event.ADDRESSES_CONFIRMED
    audit.record(event, actor=by, proxies=list(settings().trusted_proxies), reason=reason)
    runtime().addresses_confirmed_at = None


def _is_confirmed() -> bool:
    now, looked_at = clock.now(), runtime().addresses_confirmed_at
    if looked_at is not None and timedelta() <= now - looked_at < REMEMBERED:
        return True
    is_confirmed = confirmation() is not None
    runtime().addresses_confirmed_at = now if is_confirmed else None
    return is_confirmed


def _proxies() -> str:
    return ",".join(sorted(settings().trusted_proxies))
