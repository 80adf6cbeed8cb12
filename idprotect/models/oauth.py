"""What goes to and fro under OAuth: requests that wait, codes, tokens, consents.

Codes and tokens are kept as SHA-256 of the value; whoever reads the database can use none of them.
"""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.bare import Bare
from idprotect.models.base import Base, new_id


class DeviceGrant(Base):
    """A device that waits for its user (RFC 8628): both codes as hashes, the answer, and when it may ask again.

    :ivar resource: the only one that its tokens may be for; None: any that its client is registered for. So in codes.
    :ivar next_poll_at: asked before, ``interval`` grows.
    :ivar used_at: when it got its tokens.
    """

    __tablename__ = "idprotect_device_grant"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    device_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_hash: Mapped[str] = mapped_column(String(64), unique=True)
    client_id: Mapped[str] = mapped_column(String(128))
    scope: Mapped[str] = mapped_column(Text)
    resource: Mapped[str | None] = mapped_column(String(255))
    claims: Mapped[dict[str, Any]] = mapped_column(default=dict)
    family_id: Mapped[str] = mapped_column(String(32), default=new_id)
    interval: Mapped[int]
    next_poll_at: Mapped[datetime]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    approved_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    user_id: Mapped[str | None] = mapped_column(String(32))
    sign_in_id: Mapped[str | None] = mapped_column(String(32))
    acr: Mapped[str | None] = mapped_column(String(32))
    amr: Mapped[list[str]] = mapped_column(default=list)
    auth_time: Mapped[datetime | None]


class PendingAuthorization(Base):
    """A validated request that waits for its user; bound to one browser, consumed once, minutes to live.

    :ivar payload: the parameters as they were resolved at the authorize endpoint; empty for a page of ours or of
        a host application, which waits at ``return_to``.
    :ivar binding: SHA-256 of the browser's secret.
    :ivar user_id: nobody else will do.
    :ivar step_up: a second factor is wanted, of whoever has one.
    :ivar sign_in_after: a sign-in before this time is not good enough (``prompt=login``, ``max_age``).
    :ivar consented_at: when consent was given to this very request (``prompt=consent``).
    """

    __tablename__ = "idprotect_pending_authorization"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    binding: Mapped[str | None] = mapped_column(String(64))
    client_id: Mapped[str] = mapped_column(String(128))
    client_name: Mapped[str] = mapped_column(String(128), default="")
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    return_to: Mapped[str | None] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(default=list)
    user_id: Mapped[str | None] = mapped_column(Text)
    step_up: Mapped[bool] = mapped_column(default=False)
    sign_in_after: Mapped[datetime | None]
    ask_consent: Mapped[bool] = mapped_column(default=False)
    consented_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    consumed_at: Mapped[datetime | None]


class PushedRequest(Base):
    """A validated authorization request that its application sent itself (RFC 9126), to be referred to once."""

    __tablename__ = "idprotect_pushed_request"

    reference_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(128))
    parameters: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class UsedJwt(Base):
    """A token that somebody else signed and that counts once (RFC 7519 section 4.1.7), until it has expired."""

    __tablename__ = "idprotect_used_jwt"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


#: For whoever reads it, as the object for whoever changes it.
class AuthorizationCode(Base):
    """A code (RFC 6749 section 4.1.2), with what the ID token will say about the sign-in.

    :ivar claims: names of claims beyond those of the scope, for ``userinfo`` and for ``id_token``; so in tokens.
    """

    __tablename__ = "idprotect_authorization_code"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(128))
    user_id: Mapped[str] = mapped_column(String(32))
    sign_in_id: Mapped[str] = mapped_column(String(32))
    family_id: Mapped[str] = mapped_column(String(32))
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    resource: Mapped[str | None] = mapped_column(String(255))
    claims: Mapped[dict[str, Any]] = mapped_column(default=dict)
    nonce: Mapped[str | None] = mapped_column(Text)
    code_challenge: Mapped[str | None] = mapped_column(String(128))
    dpop_jkt: Mapped[str | None] = mapped_column(String(64))
    acr: Mapped[str] = mapped_column(String(32))
    amr: Mapped[list[str]]
    auth_time: Mapped[datetime]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class Token(Base):
    """One issue of tokens: an access token, and the refresh token that came with it.

    :ivar scope: of the access token; ``granted_scope`` is that of the refresh token, which never narrows.
    :ivar audience: of the access token; ``resource`` is what the grant is limited to, if it is.
    :ivar exchanges: how many tokens were exchanged, one for the other, for this one (RFC 8693).
    :ivar family_id: shared by all that descend from one code; reuse kills the family.
    :ivar jkt: thumbprint of the key that its holder has to have (RFC 9449).
    :ivar refresh_used_at: when the refresh token was rotated; presented again, it is stolen.
    :ivar family_expires_at: absolute end of the family.
    """

    __tablename__ = "idprotect_token"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    family_id: Mapped[str] = mapped_column(String(32), index=True)
    client_id: Mapped[str] = mapped_column(String(128))
    user_id: Mapped[str | None] = mapped_column(String(32))
    sign_in_id: Mapped[str | None] = mapped_column(String(32))
    scope: Mapped[str] = mapped_column(Text)
    granted_scope: Mapped[str] = mapped_column(Text)
    audience: Mapped[str] = mapped_column(String(255))
    resource: Mapped[str | None] = mapped_column(String(255))
    claims: Mapped[dict[str, Any]] = mapped_column(default=dict)
    access_hash: Mapped[str] = mapped_column(String(64), unique=True)
    access_expires_at: Mapped[datetime]
    refresh_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    refresh_expires_at: Mapped[datetime | None]
    refresh_used_at: Mapped[datetime | None]
    jkt: Mapped[str | None] = mapped_column(String(64))
    exchanges: Mapped[int] = mapped_column(default=0)
    family_expires_at: Mapped[datetime] = mapped_column(index=True)
    acr: Mapped[str | None] = mapped_column(String(32))
    amr: Mapped[list[str]] = mapped_column(default=list)
    auth_time: Mapped[datetime | None]
    issued_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_idprotect_token_user_client", "user_id", "client_id"),)


class TokenExchange(Base):
    """What an access token was given for (RFC 8693): it is worth nothing when one of these tokens is not.

    :ivar actors: who acts for the user, the last one first: ``{"user": id}`` or ``{"client": id}``.
    """

    __tablename__ = "idprotect_token_exchange"

    token_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("idprotect_token.id", ondelete="CASCADE"), primary_key=True
    )
    subject_token_id: Mapped[str] = mapped_column(String(32))
    actor_token_id: Mapped[str | None] = mapped_column(String(32))
    actors: Mapped[list[Any]] = mapped_column(default=list)


BARE_TOKEN = Bare(Token, SimpleNamespace)


class Consent(Base):
    """What a user allowed one application to see; remembered and revocable."""

    __tablename__ = "idprotect_consent"

    user_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    scopes: Mapped[list[str]]
    given_at: Mapped[datetime]
