"""The OpenID provider as this application sees it, through Authlib's Flask client.

Authlib does discovery, PKCE, `state`, `nonce` and the ID token's signature and claims. What a careful relying
party checks on top is here: the `iss` of responses (RFC 9207), that the sign-in is as fresh and as
strong as was asked for (OIDC Core 3.1.3.7), and that later answers are about the same person (OIDC Core 5.3.2 and
12.2).
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask
from joserfc.errors import JoseError
from werkzeug.wrappers import Response

from .memory import Memory
from .settings import Settings

SCOPE = "openid profile email offline_access"
TIMEOUT_SECONDS = 10
#: How far the provider's clock may be from ours.
LEEWAY_SECONDS = 30


class Refused(Exception):
    """The provider refused, or what came is not to be trusted; `code` is explained in `words.py`."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


@dataclass(frozen=True)
class Attempt:
    """One journey to the provider: what was asked, by which browser, and when."""

    kind: str
    browser: str
    parameters: Mapping[str, Any]
    started: float = field(default_factory=time.time)


@dataclass
class SignedIn:
    """A person who is signed in here, with the tokens that the browser never sees."""

    claims: dict[str, Any]
    tokens: dict[str, Any]
    profile: dict[str, Any] = field(default_factory=dict)
    is_ended: bool = False
    #: The claims of the same person's sign-in before this one.
    before: dict[str, Any] | None = None
    #: Two refreshes at once would present one refresh token twice, as a thief does.
    lock: threading.Lock = field(default_factory=threading.Lock)


class Provider:
    """The verbs of the protocol; every failure leaves as `Refused`."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._settings = settings
        self._client = OAuth(app, cache=Memory()).register(
            "northwind",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPE,
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT_SECONDS,
            },
        )

    def ask(self, redirect_uri: str, state: str, parameters: Mapping[str, Any]) -> Response:
        """Return the redirect to the provider's authorization endpoint."""
        with _faults_as_refusals():
            self._metadata()
            response: Response = self._client.authorize_redirect(redirect_uri, state=state, **parameters)
            return response

    def redeem(self, attempt: Attempt) -> SignedIn:
        """Exchange the code of the current request for tokens, and check whom they are about."""
        with _faults_as_refusals():
            tokens = self._client.authorize_access_token(claims_options=self._claims_options())
            if not tokens.get("userinfo"):
                raise Refused("invalid_response", "The token response has no ID token.")
            claims = dict(tokens.pop("userinfo"))
            _check_freshness(attempt, claims)
            _check_strength(attempt, claims)
            return SignedIn(claims, dict(tokens))

    def check_issuer(self, iss: str | None) -> None:
        """Refuse a response of another provider: the mix-up attack (RFC 9207 section 2.4)."""
        with _faults_as_refusals():
            metadata = self._metadata()
        is_promised = metadata.get("authorization_response_iss_parameter_supported") is True
        if iss != metadata["issuer"] and (iss is not None or is_promised):
            raise Refused("issuer_mismatch")

    def refresh(self, signed_in: SignedIn) -> bool:
        """Exchange the refresh token; return whether a new one came with the answer (rotation)."""
        with _faults_as_refusals():
            old = signed_in.tokens.get("refresh_token")
            if not old:
                raise Refused("no_refresh_token")
            tokens = dict(self._client.fetch_access_token(grant_type="refresh_token", refresh_token=old))
            if "id_token" in tokens:
                signed_in.claims = self._same_person(signed_in.claims, tokens)
            signed_in.tokens = {**signed_in.tokens, **tokens}
            return bool(tokens.get("refresh_token", old) != old)

    def userinfo(self, signed_in: SignedIn) -> dict[str, Any]:
        """Ask the userinfo endpoint, and refuse an answer about somebody else."""
        with _faults_as_refusals():
            # The access token alone: given all of them, Authlib would refresh behind our back.
            token = {"access_token": signed_in.tokens["access_token"], "token_type": "Bearer"}
            profile = dict(self._client.userinfo(token=token))
            if profile.get("sub") != signed_in.claims["sub"]:
                raise Refused("invalid_response", "The userinfo answer is about somebody else.")
            return profile

    @property
    def has_sign_out(self) -> bool:
        """Whether the provider has told us where to sign out (RP-initiated logout)."""
        return bool(self._client.server_metadata.get("end_session_endpoint"))

    def sign_out(self, signed_in: SignedIn, return_to: str) -> Response:
        """Return the redirect to the provider's end session endpoint."""
        with _faults_as_refusals():
            self._metadata()
            response: Response = self._client.logout_redirect(
                post_logout_redirect_uri=return_to,
                id_token_hint=signed_in.tokens.get("id_token"),
                client_id=self._settings.client_id,
            )
            return response

    def has_signed_out(self) -> bool:
        """Tell whether the current request answers a sign-out that began in this browser."""
        try:
            self._client.validate_logout_response()
        except OAuthError:
            return False
        return True

    def _metadata(self) -> Mapping[str, Any]:
        """Return the discovery document; it must be about the issuer that we know (OIDC Discovery 4.3)."""
        metadata: dict[str, Any] = self._client.load_server_metadata()
        issuer = str(metadata.get("issuer"))
        if issuer.rstrip("/") != self._settings.issuer.rstrip("/"):
            metadata.clear()  # or Authlib would keep it for ever
            raise Refused("wrong_provider", f"It calls itself {issuer}.")
        return metadata

    def _claims_options(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self._metadata()["issuer"]},
            "aud": {"essential": True, "value": self._settings.client_id},
            "sub": {"essential": True},
        }

    def _same_person(self, before: dict[str, Any], tokens: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of a refreshed ID token, which may not change what the first one said."""
        options = self._claims_options()
        claims = dict(self._client.parse_id_token(tokens, nonce=None, claims_options=options))
        for name in ("iss", "sub", "auth_time", "nonce"):
            if name in claims and claims[name] != before.get(name):
                raise Refused("invalid_response", f"The refreshed ID token has another {name}.")
        return {**before, **claims}


def _check_freshness(attempt: Attempt, claims: Mapping[str, Any]) -> None:
    """Refuse a sign-in that is older than `max_age` or `prompt=login` allow."""
    max_age = attempt.parameters.get("max_age")
    if max_age is None and attempt.parameters.get("prompt") != "login":
        return
    auth_time = claims.get("auth_time")
    if auth_time is None and max_age is None:
        return
    if auth_time is None or auth_time < attempt.started - (max_age or 0) - LEEWAY_SECONDS:
        raise Refused("not_fresh")


def _check_strength(attempt: Attempt, claims: Mapping[str, Any]) -> None:
    """Refuse a sign-in of another class than was asked for: `acr_values` is a wish (OIDC Core 3.1.2.1)."""
    wanted = attempt.parameters.get("acr_values")
    if wanted is not None and claims.get("acr") not in wanted.split():
        raise Refused("unmet_authentication_requirements")


@contextmanager
def _faults_as_refusals() -> Iterator[None]:
    """Turn whatever the network, the provider or an attacker may cause into `Refused`."""
    try:
        yield
    except OAuthError as error:
        code = "state_mismatch" if error.error == "mismatching_state" else str(error.error)
        raise Refused(code, str(error.description or "")) from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise Refused("invalid_token" if status == 401 else "provider_failed", f"HTTP {status}") from error
    except requests.RequestException as error:
        raise Refused("provider_unreachable") from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise Refused("invalid_response", f"{type(error).__name__}: {error}") from error
