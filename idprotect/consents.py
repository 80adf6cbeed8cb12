"""What users allowed applications to see: remembered, looked up, revoked."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, update

from idprotect import audit, clock, protection
from idprotect.audit import Event
from idprotect.models import (
    AuthorizationCode,
    Consent,
    DeviceGrant,
    Token,
    User,
    UserFacts,
    dialect,
    insert,
    rows_changed,
    run,
    session,
    table_of,
)

#: What each scope lets an application see, in words for its owner.
SCOPES: dict[str, tuple[str, str]] = {
    "openid": ("Know who you are", "An identifier that stays the same each time you sign in."),
    "profile": ("See your name", "Your name, user name, and what else your profile says of you."),
    "email": ("See your mail address", "The address of your account."),
    "address": ("See your postal address", "Where you live or work."),
    "phone": ("See your telephone number", "The number that you are known by."),
    "offline_access": (
        "Stay signed in",
        "Keep its access while you are away, until you or the administrator end it.",
    ),
}


_table = table_of(Consent)
_SCOPES = select(_table.c.scopes).where(
    _table.c.user_id == bindparam("user_id"), _table.c.client_id == bindparam("client_id")
)


def covers(user_id: str, client_id: str, scopes: frozenset[str]) -> bool:
    """Whether the user allowed this application all of these scopes before."""
    given = run(_SCOPES, user_id=user_id, client_id=client_id).scalar()
    return given is not None and scopes <= set(given)


def give(user: UserFacts, client_id: str, scopes: frozenset[str]) -> None:
    """Remember a consent; what was allowed before stays allowed."""
    before = session().get(Consent, (user.id, client_id))
    together = sorted(scopes | set(before.scopes if before else ()))
    statement = insert(Consent, dialect()).values(
        user_id=user.id, client_id=client_id, scopes=together, given_at=clock.now()
    )
    session().execute(
        statement.on_conflict_do_update(
            index_elements=["user_id", "client_id"], set_={"scopes": together, "given_at": clock.now()}
        )
    )
    audit.record(
        Event.CONSENT_GIVEN, actor=user.username, user_id=user.id, client_id=client_id, scopes=sorted(scopes)
    )


def of(user_id: str) -> Sequence[Consent]:
    """Return all consents of a user."""
    return session().scalars(select(Consent).where(Consent.user_id == user_id)).all()


def revoke(user: User, client_id: str) -> None:
    """Take a consent back; what the application got by it is refused from now on."""
    now = clock.now()
    protection.hold(user.id)
    session().execute(delete(Consent).where(Consent.user_id == user.id, Consent.client_id == client_id))
    # Codes first, and tokens until there are none: what is being issued at this moment comes to light meanwhile.
    for waiting in (AuthorizationCode, DeviceGrant):
        codes = update(waiting).where(
            waiting.user_id == user.id, waiting.client_id == client_id, waiting.used_at.is_(None)
        )
        rows_changed(codes.values(expires_at=waiting.issued_at))  # not "used": nobody stole it
    tokens = update(Token).where(
        Token.user_id == user.id, Token.client_id == client_id, Token.revoked_at.is_(None)
    )
    while rows_changed(tokens.values(revoked_at=now)):
        pass
    audit.record(Event.CONSENT_REVOKED, actor=user.username, user_id=user.id, client_id=client_id)
