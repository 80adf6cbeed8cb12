"""What an application is registered with (RFC 7591 section 2), as one value that knows everything wrong with it.

The command line, the console, dynamic registration and the demonstration all fill in this one form. What is stored
of it, and what becomes of what an application holds, is in :mod:`idprotect.clients`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from idprotect import key_sets
from idprotect import redirect_uris as uris
from idprotect.errors import InteractionError
from idprotect.keys import ALGORITHMS

#: What an application may do for itself, without a user, at our own interfaces.
INTROSPECT, SIGNALS = "idprotect:introspect", "idprotect:signals"
OWN_SCOPES = {
    "idprotect:findings": "report findings about users and sign-ins",
    "idprotect:risk.read": "read detections, people, sign-ins, sessions and decisions",
    "idprotect:risk.act": "act on risk and sessions, as an operator",
    "idprotect:users.reset": "reset passwords and end sessions, as the help desk",
    "idprotect:administer": "do every act, as an administrator, also to people with a role",
    "idprotect:policies.read": "read and check policies, and ask what they would do",
    "idprotect:policies.write": "put policies into force",
    "idprotect:applications.read": "read how applications are registered",
    "idprotect:applications.write": "register and change applications, with no more of our scopes than it has itself",
    "idprotect:audit.read": "read the audit log",
    SIGNALS: "hear, as signed events, what happens to the people who signed in to it (Shared Signals)",
    INTROSPECT: "ask what any access token is worth, as an API does that is sent them",
}
#: Scopes that begin so are about our own interfaces, and no user can give them.
OWN_SCOPE = "idprotect:"
CODE_GRANTS = ("authorization_code", "refresh_token")
CLIENT_CREDENTIALS = "client_credentials"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 (a grant)
#: Those in which users come in.
USER_GRANTS = ("authorization_code", DEVICE_CODE, TOKEN_EXCHANGE)
GRANTS = (*CODE_GRANTS, CLIENT_CREDENTIALS, DEVICE_CODE, TOKEN_EXCHANGE)
#: Those of an application that has to prove who it is.
CONFIDENTIAL_GRANTS = {CLIENT_CREDENTIALS, TOKEN_EXCHANGE}
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
CONFIDENTIAL_METHODS = (*SECRET_METHODS, "private_key_jwt")
AUTH_METHODS = (*CONFIDENTIAL_METHODS, "none")
APPLICATION_TYPES = ("web", "native")
#: Demanded; or of confidential clients, where no nonce comes; or not at all, for libraries that know neither.
PKCE = ("required", "or_nonce", "optional")
MAX_NAME = 128
SUBJECT_TYPES = ("public", "pairwise")
_SINGLE_URIS = (
    "backchannel_logout_uri",
    "jwks_uri",
    "sector_identifier_uri",
    "client_uri",
    "policy_uri",
    "tos_uri",
)
_ALGORITHMS = (
    "id_token_signed_response_alg",
    "token_endpoint_auth_signing_alg",
    "request_object_signing_alg",
    "userinfo_signed_response_alg",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a registration.

    :param field: of :class:`Registration`, the one to correct.
    :param message: for whoever registers.
    :param cause: for operators alone, such as what our network answered; empty when there is no more to say.
    """

    field: str
    message: str
    cause: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" + (f" ({self.cause})" if self.cause else "")


class RegistrationError(InteractionError):
    """An application cannot be registered like that; ``problems`` has every reason."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)), problems[0].field)
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The metadata of one client, by the names of RFC 7591 and OpenID Connect Registration where those have one.

    :param token_endpoint_auth_method: ``none`` makes it a public client, which can keep no secret.
    :param token_endpoint_auth_signing_alg: the only one that its assertions may be signed with; None: any of ours.
    :param jwks: its public keys; or ``jwks_uri``, where they are.
    :param scope: separated by spaces; None: all about users, where users come into it.
    :param application_type: of ``native`` ones loopback ports may vary, and schemes of their own are allowed.
    :param post_logout_redirect_uris: where a browser may go after signing out, to the byte.
    :param backchannel_logout_uri: where it is told that a sign-in ended; None: it is not told.
    :param subject_type: ``pairwise``: it knows users by subjects that are its sector's own.
    :param sector_identifier_uri: where all redirect URIs of the sector stand; else they have one host.
    :param id_token_signed_response_alg: ID and logout tokens are signed so; None: as the server is set.
    :param userinfo_signed_response_alg: userinfo answers with a JWT signed so; None: in plain JSON.
    :param request_object_signing_alg: the only one that its request objects may be signed with; None: any of ours.
    :param require_signed_request_object: all its authorization requests are signed (RFC 9101).
    :param require_pushed_authorization_requests: its authorization requests come by RFC 9126 only.
    :param dpop_bound_access_tokens: it gets tokens only for a key that it proves to hold (RFC 9449).
    :param pkce: ours: one of ``PKCE``.
    :param access_token_audience: ours: access tokens are JWTs (RFC 9068) for that resource server; None: by reference.
    :param resources: ours: resource servers that it may name instead of that one (RFC 8707).
    :param resource_identifier: ours: what it is named by as a resource server; it may exchange tokens for that.
    :param release_risk: ours: its tokens tell how risky their user is. Administrators alone set it.
    :param first_party: ours: consent is not asked. Administrators alone set it.
    :param id_token_at_refresh: ours: each refresh is answered with a new ID token, too.
    """

    client_name: str
    redirect_uris: tuple[str, ...] = ()
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 (no secret)
    token_endpoint_auth_signing_alg: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    grant_types: tuple[str, ...] = CODE_GRANTS
    scope: str | None = None
    application_type: str = "web"
    client_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    subject_type: str = "public"
    sector_identifier_uri: str | None = None
    id_token_signed_response_alg: str | None = None
    userinfo_signed_response_alg: str | None = None
    request_object_signing_alg: str | None = None
    require_signed_request_object: bool = False
    require_pushed_authorization_requests: bool = False
    dpop_bound_access_tokens: bool = False
    pkce: str = "required"
    access_token_audience: str | None = None
    resources: tuple[str, ...] = ()
    resource_identifier: str | None = None
    release_risk: bool = False
    first_party: bool = False
    id_token_at_refresh: bool = False

    @property
    def is_public(self) -> bool:
        """Whether it can keep no secret (RFC 6749 section 2.1)."""
        return self.token_endpoint_auth_method == "none"  # noqa: S105 (no secret)

    @property
    def has_secret(self) -> bool:
        """Whether it proves who it is by a secret that it shares with us."""
        return self.token_endpoint_auth_method in SECRET_METHODS

    @property
    def needs_keys(self) -> bool:
        """Whether something that it signs has to be verified."""
        is_signed = self.require_signed_request_object or self.request_object_signing_alg is not None
        return is_signed or self.token_endpoint_auth_method == "private_key_jwt"  # noqa: S105 (no secret)

    def problems(self) -> tuple[Problem, ...]:
        """Return everything that is wrong, nothing when it may be stored."""
        return (
            *self._choices(),
            *self._keys(),
            *self._audiences(),
            *self._uris(),
            *self._scopes(),
            *self._combinations(),
        )

    def check(self) -> None:
        """Raise RegistrationError with everything that is wrong."""
        if problems := self.problems():
            raise RegistrationError(problems)

    def _choices(self) -> Iterator[Problem]:
        if (
            not self.client_name.strip()
            or len(self.client_name) > MAX_NAME
            or not self.client_name.isprintable()
        ):
            yield Problem("client_name", f"a name has between 1 and {MAX_NAME} characters that can be seen")
        single: dict[str, tuple[str, ...]] = {
            "token_endpoint_auth_method": AUTH_METHODS,
            "application_type": APPLICATION_TYPES,
            "subject_type": SUBJECT_TYPES,
            "pkce": PKCE,
        }
        for field, allowed in single.items():
            if (value := getattr(self, field)) not in allowed:
                yield Problem(field, f"{value!r} is not one of {', '.join(allowed)}")
        for field in _ALGORITHMS:
            if (value := getattr(self, field)) not in (None, *ALGORITHMS):
                yield Problem(field, f"{value!r} is not one of {', '.join(ALGORITHMS)}")
        if unknown := [grant for grant in self.grant_types if grant not in GRANTS]:
            yield Problem("grant_types", f"{unknown[0]!r} is not one of {', '.join(GRANTS)}")

    def _audiences(self) -> Iterator[Problem]:
        for field in ("access_token_audience", "resource_identifier"):
            audience = getattr(self, field)
            if audience is not None and not (
                audience.isascii() and audience.isprintable() and 0 < len(audience) < 256
            ):
                yield Problem(field, "an audience has at most 255 printable ASCII characters")
        for resource in self.resources:
            if not _is_resource(resource):
                yield Problem("resources", f"{resource!r} is no absolute URI without fragment")

    def _keys(self) -> Iterator[Problem]:
        if self.jwks is not None:
            try:
                key_sets.load(self.jwks)
            except ValueError as error:
                yield Problem("jwks", str(error))
        if self.jwks is not None and self.jwks_uri is not None:
            yield Problem("jwks_uri", "keys are given by value or by reference, not both")
        if self.needs_keys and self.jwks is None and self.jwks_uri is None:
            yield Problem("jwks", "its public keys are needed, by value or by reference")

    def _uris(self) -> Iterator[Problem]:
        native = self.application_type == "native"
        for field in ("redirect_uris", "post_logout_redirect_uris"):
            for uri in getattr(self, field):
                if reason := uris.problem(uri, native=native):
                    yield Problem(field, reason)
        for field in _SINGLE_URIS:
            uri = getattr(self, field)
            if uri is not None and (reason := uris.problem(uri, native=False)):
                yield Problem(field, reason)
        if (
            self.subject_type == "pairwise"
            and uris.sector(self.sector_identifier_uri, self.redirect_uris) is None
        ):
            yield Problem(
                "sector_identifier_uri",
                "pairwise subjects need one https host of all redirect URIs, or a sector",
            )
        if not self.redirect_uris and "authorization_code" in self.grant_types:
            yield Problem("redirect_uris", "at least one redirect URI is needed")

    def _scopes(self) -> Iterator[Problem]:
        names = set((self.scope or "").split())
        if bad := sorted(name for name in names if not _is_scope(name)):
            yield Problem("scope", f"{bad[0]!r} has characters that a scope does not have")
        own = {name for name in names if name.startswith(OWN_SCOPE)}
        for name in sorted(own - OWN_SCOPES.keys()):
            yield Problem("scope", f"there is no scope {name!r}")
        if own and CLIENT_CREDENTIALS not in self.grant_types:
            yield Problem("scope", f"{', '.join(sorted(own))} needs the grant {CLIENT_CREDENTIALS}")

    def _combinations(self) -> Iterator[Problem]:
        if self.is_public and CONFIDENTIAL_GRANTS & {*self.grant_types}:
            yield Problem("grant_types", "a public client has no credentials of its own")
        if self.is_public and self.pkce != "required":
            yield Problem("pkce", "a public client cannot do without PKCE")


def _is_resource(uri: str) -> bool:
    """Whether it can name a resource server in a request (RFC 8707 section 2)."""
    return len(uri) < 256 and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-\[\]_a-z~]+", uri) is not None


def _is_scope(name: str) -> bool:
    """Whether it can be the name of a scope (RFC 6749 section 3.3)."""
    return all("!" <= c <= "~" and c not in '"\\' for c in name)
