"""Pending authorizations: a validated request that waits, bound to one browser, consumed by one write."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, bindparam, select, update

from idprotect import browser, clock
from idprotect.models import PendingAuthorization, rows_changed, session
from idprotect.runtime import settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody came for: an application's authorization, or a page of ours or of the host application.

    :param payload: the resolved parameters of the authorization request.
    :param return_to: the page, for anything else; a path of this site.
    :param sign_in_after: an older sign-in is not good enough.
    """

    client_id: str
    client_name: str
    scopes: frozenset[str] = frozenset()
    payload: Mapping[str, str] | None = None
    return_to: str | None = None
    sign_in_after: datetime | None = None
    ask_consent: bool = False


_table = cast(Table, PendingAuthorization.__table__)
_BY_ID = select(PendingAuthorization).where(PendingAuthorization.id == bindparam("pending_id"))
_CONSUME = (
    update(_table)
    .where(_table.c.id == bindparam("pending_id"), _table.c.consumed_at.is_(None))
    .values(consumed_at=bindparam("now"))
)


def store(wanted: Wanted, *, bound: bool = True) -> PendingAuthorization:
    """Store a request, bound to this browser unless that is not known yet. Commits."""
    now = clock.now()
    pending = PendingAuthorization(
        id=secrets.token_urlsafe(32),
        binding=browser.ensure_binding() if bound else None,
        client_id=wanted.client_id,
        client_name=wanted.client_name,
        payload=dict(wanted.payload or {}),
        return_to=wanted.return_to,
        scopes=sorted(wanted.scopes),
        sign_in_after=wanted.sign_in_after,
        ask_consent=wanted.ask_consent,
        created_at=now,
        expires_at=now + timedelta(seconds=settings().pending_lifetime),
    )
    session().add(pending)
    session().commit()
    return pending


def find(pending_id: str) -> PendingAuthorization | None:
    """Return a request that still waits, if it belongs to this browser: the id in another one is worth nothing."""
    pending = session().scalar(_BY_ID, {"pending_id": pending_id}) if pending_id.isascii() else None
    if pending is None or pending.consumed_at is not None or pending.expires_at <= clock.now():
        return None
    if pending.binding is None:
        return _bind(pending)
    bound = browser.binding()
    return pending if bound is not None and secrets.compare_digest(bound, pending.binding) else None


def _bind(pending: PendingAuthorization) -> PendingAuthorization | None:
    """Give a request that came by a cross-site POST, without cookies, to the browser that follows the redirect."""
    statement = (
        update(PendingAuthorization)
        .where(PendingAuthorization.id == pending.id, PendingAuthorization.binding.is_(None))
        .values(binding=browser.ensure_binding())
    )
    bound = rows_changed(statement) == 1
    session().commit()
    session().refresh(pending)
    return pending if bound else None


def consume(pending: PendingAuthorization) -> bool:
    """Take a request out of waiting; return whether this caller was the one."""
    return rows_changed(_CONSUME, pending_id=pending.id, now=clock.now()) == 1
