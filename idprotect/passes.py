"""Short passes: the help desk checked who somebody is, and lets their stopped sign-in go on; once, soon, there alone.

What a pass opens is not decided here: a used one is a fact of its sign-in, and the policies are evaluated with it.
"""

from datetime import timedelta

from sqlalchemy import bindparam, select, update

from idprotect import audit, clock
from idprotect.audit import Event
from idprotect.models import SignIn, SignInFacts, run, table_of

LIFETIME = timedelta(minutes=15)

_table = table_of(SignIn)
_USE = (
    update(_table)
    .where(
        _table.c.id == bindparam("sign_in"),
        _table.c.pass_expires_at > bindparam("now"),
        _table.c.ended_at.is_(None),
    )
    .values(vouched_at=bindparam("now"), pass_expires_at=None)
)

_VOUCHED_AT = select(_table.c.vouched_at).where(_table.c.id == bindparam("sign_in"))


def issue(sign_in: SignIn, by: str, reason: str) -> None:
    """Let a sign-in use a pass within a quarter of an hour.

    :param by: who checked that this is its owner.
    """
    sign_in.pass_expires_at = clock.now() + LIFETIME
    audit.record(
        Event.PASS_ISSUED,
        actor=by,
        user_id=sign_in.user_id,
        sign_in_id=sign_in.id,
        reason=reason,
        until=sign_in.pass_expires_at.isoformat(),
    )


def is_open(sign_in: SignInFacts) -> bool:
    """Whether a sign-in has a pass that can still be used."""
    return sign_in.pass_expires_at is not None and sign_in.pass_expires_at > clock.now()


def use(sign_in: SignInFacts) -> bool:
    """Use the pass of a sign-in up, by one conditional write; return whether the sign-in is vouched for now.

    Of two requests of its browser at one moment one uses it, and both go on.
    """
    if run(_USE, sign_in=sign_in.id, now=clock.now()).rowcount == 1:
        audit.record(Event.PASS_USED, actor="system", user_id=sign_in.user_id, sign_in_id=sign_in.id)
    return run(_VOUCHED_AT, sign_in=sign_in.id).scalar() is not None
