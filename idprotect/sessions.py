"""The end of sign-ins: whoever holds their cookie, codes or tokens is refused at the next use.

Whatever ends one sends :data:`ended`, in the transaction in which it happens.
"""

from collections.abc import Sequence
from datetime import timedelta

from blinker import Signal
from flask import current_app
from sqlalchemy import delete, select, update

from idprotect import audit, clock
from idprotect.audit import Event
from idprotect.models import Device, SignIn, rows_changed, session
from idprotect.runtime import settings

#: Sign-ins of one user ended: ``ended.send(app, user_id=…, sign_in_ids=…, reason=…)``, before the commit.
ended = Signal()
#: The reason when nobody ended it, but time went by. Refresh tokens that came of it may outlive it.
EXPIRED = "expired"
BATCH = 500


def end(sign_in: SignIn, reason: str) -> None:
    """End one sign-in, and those of the same user that it replaced in its browser.

    Their tokens need no write of their own: each use looks at the sign-in. What has ended stays as it is.
    """
    if sign_in.ended_at is not None:
        return
    user_id, ids = str(sign_in.user_id), [sign_in.id, *replaced_by(sign_in)]
    sign_in.ended_at, sign_in.end_reason, sign_in.cookie_hash = clock.now(), reason, None
    rows_changed(
        update(SignIn).where(SignIn.id.in_(ids[1:])).values(ended_at=sign_in.ended_at, end_reason=reason)
    )
    _forget_loaded(ids[1:])
    for sign_in_id in ids:
        audit.record(
            Event.SIGN_IN_ENDED, actor="system", user_id=user_id, sign_in_id=sign_in_id, reason=reason
        )
    _tell(user_id, ids, reason)


def end_all(user_id: str, reason: str, *, actor: str, but: str | None = None) -> int:
    """End all sign-ins of a user, except the one called *but*; return how many.

    A sign-in whose cookie another one replaced may still feed refresh tokens, so those are ended too.
    """
    statement = (
        update(SignIn)
        .where(SignIn.user_id == user_id, SignIn.ended_at.is_(None), SignIn.succeeded)
        .values(ended_at=clock.now(), end_reason=reason, cookie_hash=None)
        .returning(SignIn.id)
    )
    if but is not None:
        statement = statement.where(SignIn.id != but)
    session().flush()
    ids = list(session().scalars(statement, execution_options={"synchronize_session": False}))
    _forget_loaded(ids)
    audit.record(Event.SESSIONS_REVOKED, actor=actor, user_id=user_id, reason=reason, count=len(ids))
    _tell(user_id, ids, reason)
    return len(ids)


def expire() -> int:
    """Take the browser from sign-ins that ran out or idled out, so that their end is told; return how many."""
    now = clock.now()
    idle_since = now - timedelta(seconds=settings().session_idle)
    over = (
        SignIn.cookie_hash.is_not(None),
        (SignIn.expires_at <= now) | (SignIn.last_seen_at <= idle_since),
    )
    found = session().execute(select(SignIn.id, SignIn.user_id).where(*over).limit(BATCH)).all()
    for sign_in_id, user_id in found:
        if rows_changed(update(SignIn).where(SignIn.id == sign_in_id, *over).values(cookie_hash=None)):
            _tell(str(user_id), [sign_in_id], EXPIRED)
    return len(found)


def replaced_by(sign_in: SignIn) -> list[str]:
    """Return the sign-ins of the same user that this one, step by step, took the place of in its browser."""
    earlier: list[str] = []
    step = [sign_in.id]
    while step:
        statement = select(SignIn.id).where(
            SignIn.user_id == sign_in.user_id, SignIn.replaced_by.in_(step), SignIn.ended_at.is_(None)
        )
        step = list(session().scalars(statement))
        earlier += step
    return earlier


def forget_devices(user_id: str) -> None:
    """Make every browser of the user unfamiliar, for whoever has the old password may sit at one."""
    session().execute(delete(Device).where(Device.user_id == user_id))


def _tell(user_id: str, sign_in_ids: Sequence[str], reason: str) -> None:
    if sign_in_ids:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        ended.send(app, user_id=user_id, sign_in_ids=sign_in_ids, reason=reason)


def _forget_loaded(ids: Sequence[str]) -> None:
    for loaded in list(session().identity_map.values()):
        if isinstance(loaded, SignIn) and loaded.id in ids:
            session().expire(loaded)
