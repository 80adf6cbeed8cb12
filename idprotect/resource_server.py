"""For an API on Flask that takes access tokens: who calls, how well they signed in, and how risky they are.

A :class:`ResourceServer` is Authlib's resource protector with two more decorators. Where a view wants more than the
token has, the caller gets the challenge of RFC 9470, ``insufficient_user_authentication``, and sends its user to the
authorize endpoint with what the challenge names. Nothing of the server is imported, and any issuer that speaks
RFC 7662 or RFC 9068 will do.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import TokenValidator
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from flask import current_app
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idprotect.contexts import reaches
from idprotect.issuer import ALGORITHMS, Issuer, IssuerUnavailable

log = logging.getLogger("idprotect.resource_server")

View = Callable[..., Any]
Scopes = str | Sequence[str] | None
#: Levels of the claim ``risk_level``, lowest first.
RISK_LEVELS = ("none", "low", "medium", "high")


class InsufficientUserAuthentication(InvalidTokenError):  # type: ignore[misc]
    """The token is good, but how its user signed in is not good enough here (RFC 9470 section 3)."""

    error = "insufficient_user_authentication"


class TemporarilyUnavailable(OAuth2Error):  # type: ignore[misc]
    """The issuer cannot be asked, so nobody can say what the token is worth."""

    error = "temporarily_unavailable"
    status_code = 503


class Introspection(IntrospectTokenValidator):  # type: ignore[misc]
    """Asks the issuer at every request, so a revocation, or risk, is known at once.

    :param client_id: of a client with the scope ``idprotect:introspect``.
    :param audience: by which the issuer knows this API; tokens for others are not active here. None takes those too.
    """

    def __init__(
        self, issuer: Issuer | str, client_id: str, client_secret: str, *, audience: str | None = None
    ) -> None:
        super().__init__()
        self.audience = audience
        self.issuer = issuer if isinstance(issuer, Issuer) else Issuer(issuer)
        self._credentials = client_id, client_secret

    def introspect_token(self, token_string: str) -> dict[str, Any]:
        """Return what the issuer says."""
        try:
            said = self.issuer.introspect(token_string, *self._credentials)
        except IssuerUnavailable as error:
            log.error("no introspection: %s", error)
            raise TemporarilyUnavailable() from error
        # A refresh token is no access token, and without a type nobody says that it is one.
        is_access_token = str(said.get("token_type")).lower() == "bearer"
        return said if is_access_token and self._is_for_us(said.get("aud")) else {"active": False}

    def _is_for_us(self, aud: object) -> bool:
        """Whether a token's audience, a string or several (RFC 7662 section 2.2), is this API."""
        named = aud if isinstance(aud, list) else [aud]
        return self.audience is None or self.audience in named


class JwtAccessTokens(JWTBearerTokenValidator):  # type: ignore[misc]
    """Reads JWT access tokens (RFC 9068) without asking; what was revoked is good until it has expired.

    :param audience: by which the issuer knows this API.
    """

    def __init__(self, issuer: Issuer | str, audience: str) -> None:
        self.trusted = issuer if isinstance(issuer, Issuer) else Issuer(issuer)
        super().__init__(self.trusted.url, audience)
        required = {name: {"essential": True} for name in ("exp", "sub", "client_id", "iat", "jti")}
        self._claims = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": audience},
            **required,
        }

    def get_jwks(self) -> KeySet:
        """Return the issuer's keys."""
        return self._keys(None)

    def authenticate_token(self, token_string: str) -> Any:
        """Return the claims of a token whose signature is good."""
        try:
            header = jws.extract_compact(token_string.encode()).headers()
            if header.get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
                raise InvalidTokenError()  # an ID token is no access token; Authlib lets one without type pass
            token = jwt.decode(token_string, self._keys(header.get("kid")), ALGORITHMS)
            if "cnf" in token.claims:
                raise InvalidTokenError()  # bound to a key, whose proof nobody looks at here (RFC 9449 section 7.1)
            return JWTAccessTokenClaims(token.claims, token.header, self._claims)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidTokenError() from error

    def _keys(self, kid: str | None) -> KeySet:
        try:
            return self.trusted.keys(kid)
        except IssuerUnavailable as error:
            log.error("no keys: %s", error)
            raise TemporarilyUnavailable() from error


class ResourceServer(ResourceProtector):  # type: ignore[misc]
    """Protects views: call it with scopes as Authlib's protector, or use a decorator that asks for more.

    :param validator: :class:`Introspection`, :class:`JwtAccessTokens`, or another of Authlib's.
    """

    def __init__(self, validator: TokenValidator) -> None:
        super().__init__()
        self.register_token_validator(validator)

    def require_acr(
        self, acr: str, *, max_age: int | None = None, scopes: Scopes = None
    ) -> Callable[[View], View]:
        """Take nobody who signed in by less than *acr*, or longer than *max_age* seconds ago."""

        def check(token: Mapping[str, Any]) -> None:
            auth_time = token.get("auth_time")
            is_recent = max_age is None or (
                isinstance(auth_time, int | float) and time.time() - auth_time <= max_age
            )
            if not (is_recent and reaches(token.get("acr"), acr)):
                raise _challenge("A stronger or more recent sign-in is needed.", acr, max_age)

        return self._requiring(check, scopes)

    def require_risk_below(self, level: str, *, scopes: Scopes = None) -> Callable[[View], View]:
        """Take nobody whose risk has reached a level: ``low``, ``medium`` or ``high``.

        The challenge asks for a new sign-in, at which the server's policies ask for what cures the risk. The
        application has to be registered with ``--release-risk``; risk that nobody tells is too high.
        """
        limit = RISK_LEVELS.index(level)

        def check(token: Mapping[str, Any]) -> None:
            said = token.get("risk_level")
            if said is None:
                log.warning("the token of client %s tells no risk", token.get("client_id"))
            if said not in RISK_LEVELS[:limit]:
                raise _challenge("A sign-in with less risk is needed.", None, 0)

        return self._requiring(check, scopes)

    def _requiring(
        self, check: Callable[[Mapping[str, Any]], None], scopes: Scopes
    ) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **values: Any) -> Any:
                with self.acquire(scopes) as token:
                    check(token)
                return current_app.ensure_sync(view)(*args, **values)

            return guarded

        return decorate


def _challenge(description: str, acr: str | None, max_age: int | None) -> InsufficientUserAuthentication:
    wanted = {"acr_values": acr, "max_age": max_age}
    named = {name: value for name, value in wanted.items() if value is not None}
    return InsufficientUserAuthentication(description, extra_attributes=named)
