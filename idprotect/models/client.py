"""Applications as they are registered: what they may do, who described them, and by which names they know people."""

import hmac
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock, redirect_uris
from idprotect.keys import sha256
from idprotect.models.bare import Bare
from idprotect.models.base import Base, new_id
from idprotect.registration import DEVICE_CODE, MAX_NAME, OWN_SCOPE


class ClientRules:
    """What a client may do (RFC 6749 section 2), asked of its object or of its bare row alike."""

    if TYPE_CHECKING:
        id: Any
        name: Any
        secret_hash: Any
        previous_secret_hash: Any
        previous_secret_expires_at: Any
        token_endpoint_auth_method: Any
        token_endpoint_auth_signing_alg: Any
        jwks: Any
        jwks_uri: Any
        redirect_uris: Any
        post_logout_redirect_uris: Any
        backchannel_logout_uri: Any
        grant_types: Any
        scopes: Any
        pkce: Any
        request_object_signing_alg: Any
        require_signed_request_object: Any
        require_pushed: Any
        dpop_bound_access_tokens: Any
        native: Any
        access_token_audience: Any
        resources: Any
        resource_identifier: Any
        release_risk: Any
        first_party: Any
        id_token_at_refresh: Any
        id_token_signed_response_alg: Any
        userinfo_signed_response_alg: Any
        subject_type: Any
        sector_identifier_uri: Any
        by_document: Any
        enabled: Any
        valid_after: Any
        revision: Any

    @property
    def client_id(self) -> str:
        """The identifier by Authlib's name."""
        return str(self.id)

    def get_client_id(self) -> str:
        """Return the identifier, as Authlib's device grant asks for it."""
        return self.client_id

    @property
    def shown_name(self) -> str:
        """What people know it by: a stranger's name is as good as the host that vouches for it, so both are shown."""
        if not self.by_document:
            return str(self.name)
        host = f" ({self.host})"
        return f"{self.name[: MAX_NAME - len(host)]}{host}"

    @property
    def host(self) -> str:
        """The host of its metadata document, with a port that is not the usual one."""
        return urlsplit(str(self.id)).netloc

    @property
    def is_pairwise(self) -> bool:
        """Whether it knows users by subjects that are its sector's own."""
        return bool(self.subject_type == "pairwise")

    @property
    def sector(self) -> str:
        """Whose clients know users by the same pairwise subjects (OIDC Core section 8.1); at worst it alone.

        A device brings its user's subject back without a redirect, so URIs do not show whose client it is.
        """
        if DEVICE_CODE in self.grant_types:
            return str(self.client_id)
        return redirect_uris.sector(self.sector_identifier_uri, self.redirect_uris) or self.client_id

    @property
    def is_public(self) -> bool:
        """Whether it has no secret (RFC 6749 section 2.1)."""
        return bool(self.token_endpoint_auth_method == "none")  # noqa: S105 (no secret)

    @property
    def is_held_to_fapi(self) -> bool:
        """Whether it is registered for what FAPI 2.0 wants of a client, and so is held to the rest of it, too.

        It signs, pushes its requests, and gets tokens only for a key that it holds.
        """
        signs = self.token_endpoint_auth_method == "private_key_jwt"  # noqa: S105 (no secret)
        return bool(signs and self.require_pushed and self.dpop_bound_access_tokens)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare exactly; what should never have been registered is refused here too."""
        is_registered = redirect_uris.is_registered(redirect_uri, self.redirect_uris, native=self.native)
        return is_registered and redirect_uris.problem(redirect_uri, native=self.native) is None

    def check_post_logout_redirect_uri(self, uri: str) -> bool:
        """Compare to the byte; what should never have been registered is refused here too."""
        is_safe = redirect_uris.problem(uri, native=self.native) is None
        return is_safe and uri in self.post_logout_redirect_uris

    def get_default_redirect_uri(self) -> str | None:
        """Return nothing: what is omitted at the authorize endpoint would go unchecked at the token endpoint."""
        return None

    def check_response_type(self, response_type: str) -> bool:
        """Only codes are given out."""
        return response_type == "code" and "authorization_code" in self.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Only what was registered."""
        return grant_type in self.grant_types

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare in constant time; a client without a secret has none that is right."""
        given = sha256(client_secret)
        is_new = hmac.compare_digest(given, self.secret_hash or "")
        is_old = hmac.compare_digest(given, self.previous_secret_hash or "")
        expires_at = self.previous_secret_expires_at
        return is_new or (is_old and expires_at is not None and clock.now() < expires_at)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Exactly the method that was registered, at every endpoint."""
        return bool(method == self.token_endpoint_auth_method)

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scope when a user may give all of it to the client; None refuses the request."""
        wanted = dict.fromkeys((scope or "").split())
        if not wanted or not self.has_scopes(" ".join(wanted)):
            return None
        return None if any(name.startswith(OWN_SCOPE) for name in wanted) else " ".join(wanted)

    def has_target(self, resource: str) -> bool:
        """Whether it is registered for access tokens of that resource server."""
        return resource == self.access_token_audience or resource in self.resources

    def has_scopes(self, scope: str) -> bool:
        """Whether it is registered for all of these scopes, still."""
        return set(scope.split()) <= set(self.scopes)


class Client(ClientRules, Base):
    """An application as we store it (RFC 6749 section 2).

    :ivar secret_hash: SHA-256 of a generated secret; None for a public client.
    :ivar first_party: consent is not asked; only administrators set it.
    :ivar id_token_at_refresh: each refresh is answered with a new ID token, too.
    :ivar previous_secret_hash: of the secret before, good until ``previous_secret_expires_at``.
    :ivar registration_token_hash: of the token by which it looks after its registration (RFC 7592).
    :ivar jwks: public keys of its own; or ``jwks_uri``, where they are.
    :ivar require_signed_request_object: authorization requests are signed (RFC 9101).
    :ivar require_pushed: authorization requests come by RFC 9126 only.
    :ivar post_logout_redirect_uris: where a browser may go after signing out, to the byte.
    :ivar backchannel_logout_uri: where the application is told that a sign-in ended; None: it is not told.
    :ivar access_token_audience: access tokens are JWTs for that resource server; None: by reference.
    :ivar resources: resource servers that it may name instead of that one.
    :ivar resource_identifier: what it is named by as a resource server; it may exchange tokens for that.
    :ivar release_risk: its tokens tell how risky their user is.
    :ivar pkce: ``required``; or for confidential clients ``or_nonce``, ``optional``.
    :ivar by_document: nobody registered it: its id is the URL of a document that says all of this.
    :ivar valid_after: artifacts issued before are refused (secret rotated, redirect or scope removed).
    :ivar revision: another one at every change, so that whoever has read a revision need not read it again.
    """

    __tablename__ = "idprotect_client"

    id: Mapped[str] = mapped_column(String(128), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(128))
    uri: Mapped[str | None] = mapped_column(Text)
    policy_uri: Mapped[str | None] = mapped_column(Text)
    tos_uri: Mapped[str | None] = mapped_column(Text)
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_secret_expires_at: Mapped[datetime | None]
    registration_token_hash: Mapped[str | None] = mapped_column(String(64))
    token_endpoint_auth_method: Mapped[str] = mapped_column(String(32))
    token_endpoint_auth_signing_alg: Mapped[str | None] = mapped_column(String(16))
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    jwks_uri: Mapped[str | None] = mapped_column(Text)
    redirect_uris: Mapped[list[str]]
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(default=list)
    backchannel_logout_uri: Mapped[str | None] = mapped_column(Text)
    grant_types: Mapped[list[str]]
    scopes: Mapped[list[str]]
    pkce: Mapped[str] = mapped_column(String(16), default="required")
    request_object_signing_alg: Mapped[str | None] = mapped_column(String(16))
    require_signed_request_object: Mapped[bool] = mapped_column(default=False)
    require_pushed: Mapped[bool] = mapped_column(default=False)
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(default=False)
    native: Mapped[bool] = mapped_column(default=False)
    access_token_audience: Mapped[str | None] = mapped_column(String(255))
    resources: Mapped[list[str]] = mapped_column(default=list)
    resource_identifier: Mapped[str | None] = mapped_column(String(255))
    release_risk: Mapped[bool] = mapped_column(default=False)
    first_party: Mapped[bool] = mapped_column(default=False)
    id_token_at_refresh: Mapped[bool] = mapped_column(default=False)
    subject_type: Mapped[str] = mapped_column(String(8), default="public")
    sector_identifier_uri: Mapped[str | None] = mapped_column(Text)
    id_token_signed_response_alg: Mapped[str | None] = mapped_column(String(16))
    userinfo_signed_response_alg: Mapped[str | None] = mapped_column(String(16))
    by_document: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    valid_after: Mapped[datetime] = mapped_column(default=clock.now)
    revision: Mapped[str] = mapped_column(String(32), default=new_id, onupdate=new_id)


class ClientDocument(Base):
    """How things stand with the metadata document of a client (draft-ietf-oauth-client-id-metadata-document).

    :ivar asked_at: when its URL was last asked, whatever came of it.
    :ivar fetched_at: when it was last fetched, and good.
    :ivar fresh_until: it is not asked for again before.
    :ivar problem: what was wrong when it was last asked for; empty: nothing.
    :ivar used_at: when its client was last seen, to the day.
    """

    __tablename__ = "idprotect_client_document"

    client_id: Mapped[str] = mapped_column(
        String(128), ForeignKey("idprotect_client.id", ondelete="CASCADE"), primary_key=True
    )
    asked_at: Mapped[datetime]
    fetched_at: Mapped[datetime]
    fresh_until: Mapped[datetime]
    problem: Mapped[str] = mapped_column(Text, default="")
    used_at: Mapped[datetime]


class InitialAccessToken(Base):
    """Lets applications register themselves (RFC 7591 section 3), so often and until then.

    :ivar pkce: what they may do without.
    """

    __tablename__ = "idprotect_initial_access_token"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    uses_left: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    pkce: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(Text)


class PairwiseSubject(Base):
    """By what the applications of one sector know a user (OIDC Core section 8.1), until they were told of the end."""

    __tablename__ = "idprotect_pairwise_subject"

    sector: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    subject: Mapped[str] = mapped_column(String(32), unique=True)


BARE_CLIENT = Bare(Client, ClientRules)
