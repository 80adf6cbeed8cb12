"""Token exchange (RFC 8693): an API that was sent an access token gets another one for the same user.

What comes of it is never more than what it came of: no scope beyond it, no longer life, the same sign-in; and it is
worth nothing once a token behind it is. The gate is asked about every application that it came through.
"""

from collections.abc import Iterator
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError, grants

from idprotect import clock
from idprotect.gate import Endpoint
from idprotect.models import ClientRules, Token, TokenExchange, UserFacts, add
from idprotect.oidc import targets, tokens
from idprotect.oidc.client_credentials import ClientToken
from idprotect.oidc.grants import Stored, ask_gate
from idprotect.oidc.issuing import Issuing, Unprinted
from idprotect.oidc.refusals import RefusedGrant
from idprotect.oidc.requests import ProtocolRequest
from idprotect.oidc.targets import InvalidTarget
from idprotect.oidc.tokens import Presented
from idprotect.registration import CONFIDENTIAL_METHODS, TOKEN_EXCHANGE

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a type)
#: As often a token may be handed on: each use looks at every token behind it.
MOST_EXCHANGES = 4


class TokenExchangeGrant(Issuing, grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc]
    """The grant, for confidential clients that are registered for it.

    Without ``actor_token`` the client takes the user's place, and ``client_id`` alone tells who did (impersonation);
    with one, ``act`` names who acts for the user (delegation, section 1.1).
    """

    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)
    request: ProtocolRequest

    def validate_token_request(self) -> None:
        """Read the tokens, and what is wanted for them (section 2.1)."""
        form = self.request.form
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError()
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError("Only access tokens are given out.")
        subject, actor = self._token("subject_token"), None
        if not isinstance(subject, Presented):
            raise InvalidRequestError("The subject_token is about no user.")
        if "actor_token" in form or "actor_token_type" in form:
            actor = self._token("actor_token")
            if isinstance(actor, Presented) and actor.token.exchanges:
                raise InvalidRequestError("The actor_token is not of whoever acts.")
        exchanged = self.request.credential = Exchanged(subject, actor, client, form.get("scope"))
        if exchanged.exchanges > MOST_EXCHANGES:
            raise InvalidRequestError("The subject_token was exchanged too often.")

    def create_token_response(self) -> tuple[int, Unprinted, Any]:
        """Ask the gate, and answer with the new token (section 2.2.1)."""
        exchanged: Exchanged = self.request.credential
        user = exchanged.ask(self.client)
        token = self.generate_token(user, exchanged.get_scope(), include_refresh_token=False)
        self.save_token(token)
        token["issued_token_type"] = ACCESS_TOKEN
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def target(self) -> str | None:
        """Return the one that the request names, by either parameter."""
        resource, audience = (self.request.form.get(name) for name in ("resource", "audience"))
        if resource and audience and resource != audience:
            raise InvalidTarget("A token is for one audience.")
        return targets.check(resource or audience, self.client)

    def lifetime(self) -> int:
        """Return the seconds of the token: no more than what is left of those behind it."""
        exchanged: Exchanged = self.request.credential
        left = (exchanged.expires_at - clock.now()).total_seconds()
        return min(super().lifetime(), int(left))

    def save_token(self, token: dict[str, Any]) -> None:
        """Store the token, and what it came of."""
        exchanged: Exchanged = self.request.credential
        row = self.columns(token)
        add(Token, row | {"exchanges": exchanged.exchanges})
        add(TokenExchange, {"token_id": row["id"], **exchanged.columns()})

    def _token(self, name: str) -> Presented | ClientToken:
        """Return an access token that the request has, and that its client may hand in.

        :raises InvalidRequestError: for any other; why is not said of a token that is not the client's.
        """
        form = self.request.form
        if name not in form or form.get(f"{name}_type") != ACCESS_TOKEN:
            raise InvalidRequestError(f"The {name} has to be an access token of this server, and say so.")
        found = tokens.find_any(form[name])
        if found is None or found.is_refresh or not _may_hand_in(self.client, found):
            raise InvalidRequestError(f"The {name} is not valid.")
        is_alive = all(one is not None and one.is_alive for one in tokens.lineage(found))
        # Whoever only overheard a bound token cannot exchange it for one that is not bound (RFC 9449 section 7.1).
        if not is_alive or found.token.jkt not in (None, self.request.jkt):
            raise InvalidRequestError(f"The {name} is not valid.")
        return found


class Exchanged(Stored):
    """What the new token comes of: the subject's token, for what is wanted of it."""

    claims: dict[str, Any] = {}  # noqa: RUF012 (those wished for by name were granted to somebody else)

    def __init__(
        self,
        subject: Presented,
        actor: Presented | ClientToken | None,
        client: ClientRules,
        wanted: str | None,
    ) -> None:
        super().__init__(subject.token)
        self._subject, self._actor = subject, actor
        self._scope = _narrowed(subject, client, wanted)
        self.resource = subject.token.resource if subject.check_client(client) else None
        self.exchanges = subject.token.exchanges + 1
        self.actors = [*([_named(actor)] if actor is not None else []), *subject.actors]
        tokens_behind = [one for one in (subject, actor) if one is not None]
        self.family_expires_at = self.expires_at = min(one.expires_at for one in tokens_behind)

    def get_scope(self) -> str:
        """Return what is granted of the subject's scope."""
        return self._scope

    def ask(self, client: ClientRules) -> UserFacts:
        """Return the user, if the gate lets everybody who is behind the token have one now.

        :raises RefusedGrant: with the same suberror as at a refresh.
        """
        try:
            for token in self._behind():
                ask_gate(StoredAccess(token.token), token.client, Endpoint.EXCHANGE)
            return ask_gate(self, client, Endpoint.EXCHANGE)
        except RefusedGrant as refused:
            refused.error = "invalid_request"  # RFC 8693 section 2.2.2, for whatever is wrong with a token
            raise

    def columns(self) -> dict[str, Any]:
        """Return what is remembered of the exchange."""
        actor_id = self._actor.token.id if self._actor is not None else None
        return {
            "subject_token_id": self._subject.token.id,
            "actor_token_id": actor_id,
            "actors": self.actors,
        }

    def _behind(self) -> Iterator[Presented]:
        """Return the users' tokens that it comes of, each application and sign-in once."""
        behind = [*tokens.lineage(self._subject), self._actor]
        users = [token for token in reversed(behind) if isinstance(token, Presented)]
        yield from {(token.client.id, token.sign_in.id): token for token in users}.values()


class StoredAccess(Stored):
    """An access token, as the gate is asked about it."""

    def get_scope(self) -> str:
        """Return the scope of the access token."""
        return str(self.scope)


def _may_hand_in(client: ClientRules, token: Presented | ClientToken) -> bool:
    """Whether a token was issued to this client, or for it: nobody else had a reason to send it anywhere."""
    return token.check_client(client) or token.token.audience in (client.id, client.resource_identifier)


def _narrowed(subject: Presented, client: ClientRules, wanted: str | None) -> str:
    """Return what is granted: of the subject's scope, what the client is registered for.

    :raises InvalidScopeError: for anything beyond it, and when nothing is left.
    """
    names = (name for name in subject.token.scope.split() if name != "offline_access")
    available = [name for name in names if client.has_scopes(name)]
    granted = list(dict.fromkeys(wanted.split())) if wanted else available
    if not granted or not set(granted) <= set(available):
        raise InvalidScopeError()
    return " ".join(granted)


def _named(actor: Presented | ClientToken) -> dict[str, str]:
    """Return who acts, as it is stored."""
    return {"user": actor.user.id} if isinstance(actor, Presented) else {"client": actor.client.id}
