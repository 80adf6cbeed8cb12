"""Initial access tokens (RFC 7591 section 3): who may register an application by itself, how often, and until when."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update

from idprotect import audit, clock
from idprotect.audit import Event
from idprotect.errors import InteractionError, NotFound
from idprotect.keys import sha256
from idprotect.models import InitialAccessToken, rows_changed, session
from idprotect.registration import PKCE

MAX_LIFETIME = timedelta(days=90)
MAX_USES = 1000


def mint(
    by: str, *, uses: int = 1, lifetime: timedelta = timedelta(days=1), pkce: str = "required"
) -> tuple[InitialAccessToken, str]:
    """Make a token; return it with its value, which can be shown this once.

    :param uses: how many applications it registers.
    :param pkce: what those may do without; see :data:`idprotect.registration.PKCE`.
    :raises InteractionError: for one that would be good too often, or too long.
    """
    if not 1 <= uses <= MAX_USES or not timedelta() < lifetime <= MAX_LIFETIME or pkce not in PKCE:
        raise InteractionError(
            f"a token is good {MAX_USES} times at most, and for {MAX_LIFETIME.days} days at most"
        )
    value = secrets.token_urlsafe(32)
    token = InitialAccessToken(
        token_hash=sha256(value), uses_left=uses, expires_at=clock.now() + lifetime, pkce=pkce, created_by=by
    )
    session().add(token)
    session().flush()
    audit.record(Event.INITIAL_ACCESS_GIVEN, actor=by, token=token.id, uses=uses, pkce=pkce)
    return token, value


def find(value: str) -> InitialAccessToken | None:
    """Return a token that is good now."""
    token = session().scalar(select(InitialAccessToken).where(InitialAccessToken.token_hash == sha256(value)))
    return token if token is not None and token.uses_left > 0 and token.expires_at > clock.now() else None


def use(token: InitialAccessToken) -> bool:
    """Use a token once; return whether there was a use left for this caller."""
    this = update(InitialAccessToken).where(
        InitialAccessToken.id == token.id,
        InitialAccessToken.uses_left > 0,
        InitialAccessToken.expires_at > clock.now(),
    )
    return rows_changed(this.values(uses_left=InitialAccessToken.uses_left - 1)) == 1


def good() -> Sequence[InitialAccessToken]:
    """Return the tokens that are good now."""
    alive = (InitialAccessToken.uses_left > 0, InitialAccessToken.expires_at > clock.now())
    return session().scalars(select(InitialAccessToken).where(*alive)).all()


def revoke(token_id: str, by: str) -> None:
    """Let a token be good no more.

    :raises NotFound: there is none of this id.
    """
    token = session().get(InitialAccessToken, token_id)
    if token is None:
        raise NotFound(f"no initial access token has the id {token_id!r}")
    token.uses_left = 0
    audit.record(Event.INITIAL_ACCESS_REVOKED, actor=by, token=token.id)
