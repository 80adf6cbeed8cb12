"""The end of sign-ins: whoever holds their cookie, codes or tokens is refused at the next use."""

from sqlalchemy import delete, update

from idprotect import audit, clock
from idprotect.audit import Event
from idprotect.models import Device, SignIn, rows_changed, session


def end(sign_in: SignIn, reason: str) -> None:
    """End one sign-in. Its tokens need no write of their own: each use looks at the sign-in."""
    sign_in.ended_at, sign_in.end_reason, sign_in.cookie_hash = clock.now(), reason, None
    audit.record(
        Event.SIGN_IN_ENDED, actor="system", user_id=sign_in.user_id, sign_in_id=sign_in.id, reason=reason
    )


def end_all(user_id: str, reason: str, *, actor: str, but: str | None = None) -> int:
    """End all sign-ins of a user, except the one called *but*; return how many.

    A sign-in whose cookie another one replaced may still feed refresh tokens, so those are ended too.
    """
    statement = (
        update(SignIn)
        .where(SignIn.user_id == user_id, SignIn.ended_at.is_(None), SignIn.succeeded)
        .values(ended_at=clock.now(), end_reason=reason, cookie_hash=None)
    )
    if but is not None:
        statement = statement.where(SignIn.id != but)
    session().flush()
    count = rows_changed(statement)
    for loaded in list(session().identity_map.values()):
        if isinstance(loaded, SignIn) and loaded.user_id == user_id and loaded.id != but:
            session().expire(loaded)
    audit.record(Event.SESSIONS_REVOKED, actor=actor, user_id=user_id, reason=reason, count=count)
    return count


def forget_devices(user_id: str) -> None:
    """Make every browser of the user unfamiliar, for whoever has the old password may sit at one."""
    session().execute(delete(Device).where(Device.user_id == user_id))
