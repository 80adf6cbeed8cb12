"""Tokens that others signed and that count once: remembered by one conditional write, on every worker."""

from datetime import datetime

from idprotect.keys import sha256
from idprotect.models import UsedJwt, dialect, insert, run, session


def use(kind: str, owner: str, jti: str, expires_at: datetime) -> bool:
    """Return whether this caller is the first to use it. Commits, so that a request that fails uses it up, too.

    :param kind: of token, so that none passes for another.
    :param owner: who signed it: an identifier is unique only there.
    :param expires_at: when it has expired for us, and need no longer be remembered.
    """
    row = {"id": sha256("\x1f".join((kind, owner, jti))), "expires_at": expires_at}
    statement = insert(UsedJwt, dialect()).values(row).on_conflict_do_nothing().returning(UsedJwt.id)
    is_first = run(statement).first() is not None
    session().commit()
    return is_first
