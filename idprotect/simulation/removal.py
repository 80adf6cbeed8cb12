"""Taking simulated people away, with every row that they left."""

from collections.abc import Iterable, Set

from sqlalchemy import delete, or_, select

from idprotect import throttle, users
from idprotect.models import (
    AuthorizationCode,
    Client,
    Consent,
    PendingAuthorization,
    Receipt,
    RiskDetection,
    RiskHistory,
    SignIn,
    TermsAcceptance,
    Token,
    User,
    rows_changed,
    session,
)
from idprotect.simulation import application

#: Rows that only name their user; what belongs to the user's row goes with that.
_NAMED = (Token, AuthorizationCode, Consent, TermsAcceptance, Receipt, RiskDetection, RiskHistory)
_OF_APPLICATION = PendingAuthorization.client_id == application.CLIENT_ID


def remove_all() -> dict[str, int]:
    """Delete everything that was ever simulated, and the application; return how much. The caller commits."""
    people = session().scalars(select(User).where(User.simulated)).all()
    # Of those whom an administrator deleted, their sign-ins tell who they were.
    of_sign_ins = select(SignIn.user_id).where(SignIn.simulated, SignIn.user_id.is_not(None))
    sign_ins = _remove(people, {user.id for user in people} | set(session().scalars(of_sign_ins)))
    rows_changed(delete(PendingAuthorization).where(_OF_APPLICATION))
    rows_changed(delete(Client).where(Client.id == application.CLIENT_ID))
    return {"users": len(people), "sign_ins": sign_ins}


def remove_cast(username: str) -> None:
    """Delete the people of a scenario that was played before under this name. The caller commits."""
    theirs = or_(User.username == username, User.username.startswith(f"{username}-", autoescape=True))
    people = session().scalars(select(User).where(User.simulated, theirs)).all()
    _remove(people, {user.id for user in people})
    used_up = _OF_APPLICATION & PendingAuthorization.consumed_at.is_not(None)
    rows_changed(delete(PendingAuthorization).where(used_up))


def _remove(people: Iterable[User], user_ids: Set[str | None]) -> int:
    """Delete people and what names them; return how many sign-ins there were."""
    for model in _NAMED:
        rows_changed(delete(model).where(model.user_id.in_(user_ids)))
    sign_ins = rows_changed(delete(SignIn).where(SignIn.user_id.in_(user_ids)))
    for user in people:
        throttle.forget_all(users.password_key(user.username))
        throttle.forget_all(f"mfa-user:{user.id}")
        session().delete(user)
    session().flush()
    return sign_ins
