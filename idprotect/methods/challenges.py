"""Challenges: what a person or device has to answer once, bound to one sign-in and authenticator."""

from datetime import timedelta

from sqlalchemy import select, update

from idprotect import clock
from idprotect.models import Authenticator, Challenge, SignIn, new_id, rows_changed, session
from idprotect.runtime import settings


def waiting(authenticator: Authenticator, sign_in: SignIn) -> Challenge | None:
    """Return the one that was made in this sign-in and can still be answered."""
    statement = select(Challenge).where(
        Challenge.authenticator_id == authenticator.id,
        Challenge.sign_in_id == sign_in.id,
        Challenge.used_at.is_(None),
        Challenge.expires_at > clock.now(),
    )
    return session().scalar(statement.order_by(Challenge.created_at.desc()).limit(1))


def store(
    authenticator: Authenticator, sign_in: SignIn, *, identity: str | None = None, code_hash: str = ""
) -> Challenge:
    """Make a new one. Commits."""
    now = clock.now()
    challenge = Challenge(
        id=identity or new_id(),
        user_id=authenticator.user_id,
        sign_in_id=sign_in.id,
        authenticator_id=authenticator.id,
        code_hash=code_hash,
        created_at=now,
        expires_at=now + timedelta(seconds=settings().one_time_code_lifetime),
    )
    session().add(challenge)
    session().commit()
    return challenge


def withdraw(authenticator: Authenticator) -> None:
    """Let none be answered any more, in whatever sign-in it was made."""
    unused = (Challenge.authenticator_id == authenticator.id, Challenge.used_at.is_(None))
    rows_changed(update(Challenge).where(*unused).values(used_at=clock.now()))


def use_up(challenge_id: str) -> bool:
    """Let it be answered no more; return whether this caller was the one that did."""
    unused = (Challenge.id == challenge_id, Challenge.used_at.is_(None))
    return rows_changed(update(Challenge).where(*unused).values(used_at=clock.now())) == 1
