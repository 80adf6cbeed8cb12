"""Pending authorizations: a validated request that waits, bound to one browser, consumed by one write."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from idprotect import browser, clock
from idprotect.models import PendingAuthorization, add, run, session, table_of
from idprotect.runtime import settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody came for: an application's authorization, or a page of ours or of the host application.

    :param payload: the resolved parameters of the authorization request.
    :param return_to: the page, for anything else; a path of this site.
    :param user_id: nobody else will do.
    :param step_up: a second factor is wanted, of whoever has one.
    :param sign_in_after: an older sign-in is not good enough.
    """

    client_id: str
    client_name: str
    scopes: frozenset[str] = frozenset()
    payload: Mapping[str, str] | None = None
    return_to: str | None = None
    user_id: str | None = None
    step_up: bool = False
    sign_in_after: datetime | None = None
    ask_consent: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A request as it is stored; see :class:`idprotect.models.PendingAuthorization`.

    :param payload: empty when a page waits, at ``return_to``.
    :param consented_at: when consent was given to this very request.
    """

    id: str
    binding: str | None
    client_id: str
    client_name: str
    payload: Mapping[str, str]
    return_to: str | None
    scopes: Sequence[str]
    user_id: str | None
    step_up: bool
    sign_in_after: datetime | None
    ask_consent: bool
    consented_at: datetime | None
    created_at: datetime
    expires_at: datetime
    consumed_at: datetime | None = None


_table = table_of(PendingAuthorization)
_this = _table.c.id == bindparam("pending_id")
_BY_ID = select(_table).where(_this)
_BIND = update(_table).where(_this, _table.c.binding.is_(None)).values(binding=bindparam("to"))
_CONSENT = update(_table).where(_this).values(consented_at=bindparam("now"))
_ASK_AGAIN = update(_table).where(_this).values(sign_in_after=bindparam("now"))
_CONSUME = update(_table).where(_this, _table.c.consumed_at.is_(None)).values(consumed_at=bindparam("now"))


def store(wanted: Wanted, *, bound: bool = True) -> Pending:
    """Store a request, bound to this browser unless that is not known yet. Commits."""
    now = clock.now()
    pending = Pending(
        id=secrets.token_urlsafe(32),
        binding=browser.ensure_binding() if bound else None,
        client_id=wanted.client_id,
        client_name=wanted.client_name,
        payload=dict(wanted.payload or {}),
        return_to=wanted.return_to,
        scopes=sorted(wanted.scopes),
        user_id=wanted.user_id,
        step_up=wanted.step_up,
        sign_in_after=wanted.sign_in_after,
        ask_consent=wanted.ask_consent,
        consented_at=None,
        created_at=now,
        expires_at=now + timedelta(seconds=settings().pending_lifetime),
    )
    add(PendingAuthorization, {field.name: getattr(pending, field.name) for field in fields(pending)})
    session().commit()
    return pending


def find(pending_id: str) -> Pending | None:
    """Return a request that still waits, if it belongs to this browser: the id in another one is worth nothing."""
    row = run(_BY_ID, pending_id=pending_id).first() if pending_id.isascii() else None
    if row is None or row.consumed_at is not None or row.expires_at <= clock.now():
        return None
    pending = Pending(**row._mapping)
    if pending.binding is None:
        return _bind(pending)
    bound = browser.binding()
    return pending if bound is not None and secrets.compare_digest(bound, pending.binding) else None


def _bind(pending: Pending) -> Pending | None:
    """Give a request that came by a cross-site POST, without cookies, to the browser that follows the redirect."""
    binding = browser.ensure_binding()
    bound = run(_BIND, pending_id=pending.id, to=binding).rowcount == 1
    session().commit()
    return replace(pending, binding=binding) if bound else None


def note_consent(pending: Pending) -> None:
    """Consent was given to this very request."""
    run(_CONSENT, pending_id=pending.id, now=clock.now())


def ask_again(pending: Pending) -> None:
    """Let no sign-in but a new one be good enough; its page then says so."""
    run(_ASK_AGAIN, pending_id=pending.id, now=clock.now())


def consume(pending: Pending) -> bool:
    """Take a request out of waiting; return whether this caller was the one."""
    return run(_CONSUME, pending_id=pending.id, now=clock.now()).rowcount == 1
