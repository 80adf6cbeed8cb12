"""The client credentials grant (RFC 6749 section 4.4): an application acts for itself, without a user.

For confidential clients that are registered for it, and for our own interfaces alone. What they get is an access
token by reference, minutes to live, without refresh token; it is as good as its client is at the moment of use.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, grants
from sqlalchemy import Row, bindparam, select

from idprotect import clock, workloads
from idprotect.keys import sha256
from idprotect.models import BARE_TOKEN, Client, ClientRules, Token, run, session, split, table_of
from idprotect.oidc import clients
from idprotect.oidc.issuing import Issuing
from idprotect.oidc.presentation import Presentation
from idprotect.oidc.requests import ProtocolRequest
from idprotect.registration import CLIENT_CREDENTIALS, CONFIDENTIAL_METHODS, OWN_SCOPES
from idprotect.runtime import settings

_tokens = table_of(Token)
_ALL = (
    select(*BARE_TOKEN.columns, Client.revision)
    .join_from(_tokens, table_of(Client), Client.id == Token.client_id)
    .where(_tokens.c.user_id.is_(None))
)
_TOKEN = _ALL.where(_tokens.c.access_hash == bindparam("hash"))
_BY_ID = _ALL.where(_tokens.c.id == bindparam("token_id"))


class ClientCredentialsGrant(Issuing, grants.ClientCredentialsGrant):  # type: ignore[misc]
    """The grant; it asks no gate, because there is no user whom a policy could be about."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)
    request: ProtocolRequest

    def validate_token_request(self) -> None:
        """Refuse, after everything else was right, a client at risk where the operator wants that.

        With ``invalid_grant``: its credentials are the grant (RFC 6749 section 1.3.4), and they may be stolen.
        ``access_denied`` is no error of the token endpoint (section 5.2).
        """
        super().validate_token_request()
        workloads.observe(self.client.id)
        if workloads.is_blocked(self.client.id):
            session().commit()  # a refusal takes back what it did, and this has to be known
            raise InvalidGrantError()

    def validate_requested_scope(self) -> None:
        """Refuse what the client is not registered for, and what only a user can give."""
        wanted = set((self.request.payload.scope or "").split())
        if not wanted or not wanted <= OWN_SCOPES.keys() or not self.client.has_scopes(" ".join(wanted)):
            raise InvalidScopeError()


@dataclass(frozen=True, slots=True)
class ClientToken:
    """An access token that a client holds for itself."""

    token: Any
    client: ClientRules
    is_refresh: bool = False

    @property
    def active(self) -> bool:
        """Whether it may be used at this moment."""
        token, client = self.token, self.client
        is_alive = token.revoked_at is None and token.access_expires_at > clock.now()
        is_trusted = client.enabled and CLIENT_CREDENTIALS in client.grant_types
        return (
            is_alive
            and is_trusted
            and token.issued_at >= client.valid_after
            and client.has_scopes(token.scope)
            and not workloads.is_blocked(client.id)
        )

    @property
    def is_alive(self) -> bool:
        """Whether it may be used: there is no user, about whom there would be more to ask."""
        return self.active

    def given_for(self) -> tuple[()]:
        """Return the tokens that it was exchanged for: none."""
        return ()

    @property
    def expires_at(self) -> datetime:
        """When it ends, if nothing ends it before."""
        return cast(datetime, self.token.access_expires_at)

    def is_expired(self) -> bool:
        """Say no: Authlib asks twice, and :meth:`is_revoked` knows everything."""
        return False

    def is_revoked(self) -> bool:
        """Whether it may not be used, for whatever reason."""
        return not self.active

    def check_client(self, client: ClientRules) -> bool:
        """Whether it was issued to this client."""
        return bool(self.token.client_id == client.id)

    def allows(self, scope: str) -> bool:
        """Whether it was issued for a scope."""
        return scope in self.token.scope.split()

    def described(self) -> dict[str, Any]:
        """Return the members of RFC 7662 section 2.2; the subject is the client itself."""
        token = self.token
        return {
            "active": True,
            "client_id": token.client_id,
            "scope": token.scope,
            "sub": token.client_id,
            "aud": token.audience,
            "iss": settings().issuer,
            "exp": int(token.access_expires_at.timestamp()),
            "iat": int(token.issued_at.timestamp()),
            "token_type": "DPoP" if token.jkt else "Bearer",
            **({"cnf": {"jkt": token.jkt}} if token.jkt else {}),
        }


def presented(presentation: Presentation) -> ClientToken | None:
    """Return the token that a request presents, if it is good. Commits.

    :raises InvalidDpopProof: for a token that is good, with a proof that is not.
    """
    token = find(presentation.value) if presentation.value is not None else None
    return token if token is not None and token.active and presentation.proves(token.token.jkt) else None


def find(value: str) -> ClientToken | None:
    """Find a client's own access token by its value, whatever became of it."""
    return _made(run(_TOKEN, hash=sha256(value)).first())


def get(token_id: str) -> ClientToken | None:
    """Find a client's own access token by its id, whatever became of it."""
    return _made(run(_BY_ID, token_id=token_id).first())


def _made(row: "Row[Any] | None") -> ClientToken | None:
    if row is None:
        return None
    token, revision = split(row, BARE_TOKEN)
    client = clients.at_revision(token.client_id, revision)
    return ClientToken(token, client) if client is not None else None
