"""Looking at tokens that are out: userinfo, introspection (RFC 7662), revocation (RFC 7009).

A token is as good as its client, its sign-in and its user are now; each use looks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy import Row, bindparam, or_, select, update

from idprotect import clock, gate, session_cookie
from idprotect.gate import Access
from idprotect.keys import sha256
from idprotect.models import (
    BARE_TOKEN,
    Bare,
    Client,
    ClientRules,
    SignIn,
    SignInFacts,
    Token,
    TokenExchange,
    User,
    UserFacts,
    run,
    session,
    split,
    table_of,
)
from idprotect.oidc import client_credentials, clients, risk_claim, subjects
from idprotect.oidc.client_credentials import ClientToken
from idprotect.oidc.grants import revoke_family
from idprotect.registration import AUTH_METHODS, CONFIDENTIAL_METHODS, INTROSPECT
from idprotect.runtime import runtime, settings

#: Ends what has to stay dead, also when the clock is set back.
LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that somebody presented, with everything its worth depends on."""

    token: Any
    client: ClientRules
    sign_in: SignInFacts
    user: UserFacts
    is_refresh: bool

    @property
    def is_alive(self) -> bool:
        """Whether it is good by itself, and its client is."""
        now, token = clock.now(), self.token
        if (
            token.revoked_at is not None
            or token.issued_at < self.client.valid_after
            or not self.client.enabled
        ):
            return False
        if self.expires_at <= now or (self.is_refresh and token.refresh_used_at is not None):
            return False
        return self.client.has_scopes(token.granted_scope)

    @property
    def active(self) -> bool:
        """Whether it may be used at this moment, and so may what it was given for."""
        return (
            self.is_alive
            and self._is_allowed
            and all(one is not None and one.active for one in self.given_for())
        )

    @property
    def _is_allowed(self) -> bool:
        """Whether the sign-in goes on, and nothing has come up that keeps its user from this client."""
        token = self.token
        if self.sign_in.ended_at is not None:
            return False
        user = runtime().directory.refreshed(self.user)
        is_at_risk = user.risk_level or self.sign_in.session_level
        if not self.is_refresh and user.enabled and not is_at_risk and not user.must_change_password:
            return True  # nothing has come up since the gate let it out, minutes ago
        current = session_cookie.find(self.sign_in.id)
        if current is None:
            return False
        return gate.still_allows(Access(current, self.client.id, frozenset(token.scope.split())))

    def given_for(self) -> "Iterator[Presented | ClientToken | None]":
        """Return the tokens that it was exchanged for (RFC 8693); None for one that is not stored any more."""
        if not self.token.exchanges:
            return
        exchange = self._exchange
        if exchange is None:
            yield None
            return
        for token_id in filter(None, (exchange.subject_token_id, exchange.actor_token_id)):
            yield _made(run(_BY_ID, token_id=token_id).first()) or client_credentials.get(token_id)

    @property
    def actors(self) -> list[dict[str, str]]:
        """Who acts for its user, the last one first."""
        exchange = self._exchange
        return exchange.actors if exchange is not None else []

    @property
    def _exchange(self) -> Any:
        """What it was given for; None for a token that was not exchanged, or is being deleted at this moment."""
        return run(_EXCHANGE, token_id=self.token.id).first() if self.token.exchanges else None

    @property
    def expires_at(self) -> datetime:
        """When it ends, if nothing ends it before."""
        token = self.token
        if self.is_refresh and token.refresh_expires_at is not None:
            return min(token.refresh_expires_at, token.family_expires_at)  # type: ignore[no-any-return]
        return cast(datetime, token.access_expires_at)

    def is_expired(self) -> bool:
        """Say no: Authlib asks twice, and :meth:`is_revoked` knows everything."""
        return False

    def is_revoked(self) -> bool:
        """Whether it may not be used, for whatever reason."""
        return not self.active

    def check_client(self, client: ClientRules) -> bool:
        """Whether it was issued to this client."""
        return bool(self.token.client_id == client.id)


_tokens = table_of(Token)
_PARTS = (
    BARE_TOKEN,
    Bare(SignIn, SignInFacts, only={"id", "ended_at", "aggregated_level", "session_level"}),
    Bare(
        User,
        UserFacts,
        only={
            "id",
            "username",
            "host_id",
            "name",
            "email",
            "claims",
            "groups",
            "roles",
            "enabled",
            "risk_level",
            "must_change_password",
        },
    ),
)
_ALL = (
    select(*[column for part in _PARTS for column in part.columns], Client.revision)
    .select_from(_tokens)
    .join(table_of(Client), Client.id == Token.client_id)
    .join(table_of(SignIn), SignIn.id == Token.sign_in_id)
    .join(table_of(User), User.id == Token.user_id)
)
_TOKEN = _ALL.where(
    or_(_tokens.c.access_hash == bindparam("hash"), _tokens.c.refresh_hash == bindparam("hash"))
)
_BY_ID = _ALL.where(_tokens.c.id == bindparam("token_id"))
_EXCHANGE = select(table_of(TokenExchange)).where(TokenExchange.token_id == bindparam("token_id"))
_END_ACCESS = update(_tokens).where(_tokens.c.id == bindparam("token_id")).values(access_expires_at=LONG_AGO)


def find(value: str) -> Presented | None:
    """Find an access or refresh token by its value, whatever became of it."""
    return _made(run(_TOKEN, hash=(hashed := sha256(value))).first(), hashed)


def find_any(value: str) -> Presented | ClientToken | None:
    """Find a token by its value, whether it is about a user or a client's own."""
    return find(value) or client_credentials.find(value)


def lineage(token: Presented | ClientToken) -> Iterator[Presented | ClientToken | None]:
    """Return a token, and all that it was exchanged for, directly or not."""
    yield token
    for one in token.given_for():
        yield from lineage(one) if one is not None else (None,)


def _made(row: "Row[Any] | None", hashed: str = "") -> Presented | None:
    if row is None:
        return None
    token, sign_in, user, revision = split(row, *_PARTS)
    client = clients.at_revision(token.client_id, revision)
    if client is None:
        return None
    return Presented(token, client, sign_in, user, is_refresh=token.refresh_hash == hashed)


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """Tells a confidential client about its own tokens, and an API about those that it is sent."""

    CLIENT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Presented | ClientToken | None:
        """Find the token; the hint is not needed."""
        return find_any(token_string)

    def check_permission(self, token: Presented | ClientToken, client: ClientRules, request: Any) -> bool:
        """A client learns about its own tokens, and an API that is registered for that about all access tokens.

        Of others it hears that they are not active.
        """
        is_api = INTROSPECT in client.scopes and not token.is_refresh
        return is_api or token.check_client(client)

    def introspect_token(self, token: Presented | ClientToken) -> dict[str, Any]:
        """Return the members of RFC 7662 section 2.2, of a token that is active."""
        if isinstance(token, ClientToken):
            return token.described()
        row = token.token
        expires_at = token.expires_at
        return {
            "active": True,
            "client_id": row.client_id,
            "scope": row.granted_scope if token.is_refresh else row.scope,
            "sub": subjects.of(token.client, token.user.id),
            **({} if token.client.is_pairwise else {"username": token.user.username}),
            "aud": row.audience,
            "iss": settings().issuer,
            "exp": int(expires_at.timestamp()),
            "iat": int(row.issued_at.timestamp()),
            "acr": row.acr,
            "amr": row.amr,
            "auth_time": int(row.auth_time.timestamp()) if row.auth_time else None,
            **({} if token.is_refresh else {"token_type": "DPoP" if row.jkt else "Bearer"}),
            **({"cnf": {"jkt": row.jkt}} if row.jkt else {}),
            **risk_claim.of(token.client, token.user, token.sign_in),
            **subjects.acting(token.client, token.actors),
        }


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Lets a client give its tokens back."""

    CLIENT_AUTH_METHODS = list(AUTH_METHODS)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Presented | ClientToken | None:
        """Find the token; the hint is not needed."""
        return find_any(token_string)

    def revoke_token(self, token: Presented | ClientToken, request: Any) -> None:
        """Revoke a refresh token with all that descends from it, or one access token."""
        if token.is_refresh:
            revoke_family(token.token)
        else:
            run(_END_ACCESS, token_id=token.token.id)
        session().commit()
