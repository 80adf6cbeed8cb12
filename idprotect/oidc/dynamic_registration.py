"""Applications that register themselves (RFC 7591, OIDC Registration 1.0), and look after that (RFC 7592).

What they may ask for is less than what an administrator may give: no consent is left out, nothing is done without a
user, and PKCE is what their initial access token says. Authlib's endpoints give secrets to public clients and accept
redirect URIs that we do not; the values are checked by :class:`idprotect.registration.Registration` alone.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6750.errors import InvalidTokenError

from idprotect import clients
from idprotect.keys import sha256
from idprotect.models import Client, session
from idprotect.oidc import initial_access
from idprotect.registration import CONFIDENTIAL_GRANTS, Problem, Registration, RegistrationError
from idprotect.runtime import runtime, settings

#: What administrators alone decide.
RESERVED = frozenset(
    {
        *("pkce", "first_party", "id_token_at_refresh", "release_risk"),
        *("access_token_audience", "resources", "resource_identifier"),
    }
)
FIELDS = {field.name: field for field in fields(Registration) if field.name not in RESERVED}
#: What an update must not bring (RFC 7592 section 2.2).
NOT_TO_UPDATE = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)
LISTS = ("redirect_uris", "grant_types", "post_logout_redirect_uris")
FLAGS = (
    "require_signed_request_object",
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
)


class InvalidMetadata(OAuth2Error):  # type: ignore[misc]
    """Something in the registration cannot be accepted (RFC 7591 section 3.2.2)."""

    def __init__(self, error: RegistrationError) -> None:
        is_about_uris = any(problem.field == "redirect_uris" for problem in error.problems)
        self.error = "invalid_redirect_uri" if is_about_uris else "invalid_client_metadata"
        # Descriptions have neither quotes nor what lies beyond ASCII (RFC 6749 section 5.2).
        told = "; ".join(f"{problem.field}: {problem.message}" for problem in error.problems)
        said = "".join(c for c in told if " " <= c <= "~" and c not in '"\\')
        super().__init__(description=said[:1000])


def register(document: Any, initial: str) -> dict[str, Any]:
    """Register an application; return what it is told (RFC 7591 section 3.2.1). The caller commits.

    :param initial: the value of an initial access token, which is used once.
    :raises OAuth2Error: for a token that is not good, or with everything that is wrong with the metadata.
    """
    token = initial_access.find(initial)
    if token is None:
        raise InvalidTokenError()
    try:
        wanted = replace(read(document), pkce=token.pkce)
        if wanted.is_public:
            wanted = replace(wanted, pkce="required")
        client, secret = clients.create(wanted, by=f"initial access token {token.id}")
    except RegistrationError as error:
        raise InvalidMetadata(error) from None
    if not initial_access.use(token):
        raise InvalidTokenError()
    own_token = secrets.token_urlsafe(32)
    client.registration_token_hash = sha256(own_token)
    return _told(client, own_token, secret)


def authenticate(client_id: str, own_token: str) -> Client:
    """Return the client that a registration access token is for (RFC 7592 section 2).

    :raises InvalidTokenError: for unknown, disabled and wrong alike.
    """
    client = session().get(Client, client_id) if client_id.isprintable() else None
    known = (client.registration_token_hash if client is not None else None) or ""
    if not hmac.compare_digest(sha256(own_token), known) or client is None or not client.enabled:
        raise InvalidTokenError()
    return client


def show(client: Client, own_token: str) -> dict[str, Any]:
    """Return what a client is registered with (RFC 7592 section 2.1)."""
    return _told(client, own_token, None)


def update(client: Client, own_token: str, document: Any) -> dict[str, Any]:
    """Replace a registration; what is left out has its default again (RFC 7592 section 2.2).

    :raises OAuth2Error: with everything that is wrong.
    """
    if not isinstance(document, dict) or document.get("client_id") != client.id:
        raise InvalidRequestError("The client_id is not that of the token.")
    if any(name in document for name in NOT_TO_UPDATE):
        raise InvalidRequestError("The request has a member that the server alone sets.")
    secret = document.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and client.check_client_secret(secret)):
        raise InvalidRequestError("The client_secret is not the present one.")
    try:
        kept = {name: getattr(clients.registration_of(client), name) for name in RESERVED}
        wanted = replace(read(document), **kept)
        issued = clients.change(client, wanted, by=f"client {client.id}", by_itself=True)
    except RegistrationError as error:
        raise InvalidMetadata(error) from None
    return _told(client, own_token, issued)


def delete(client: Client) -> None:
    """Take a registration back: with it goes everything that the client holds (RFC 7592 section 2.3)."""
    clients.set_enabled(client, False, f"client {client.id}")


def read(document: Any) -> Registration:
    """Return the registration that a document asks for; members that we do not know are ignored (RFC 7591 section 2).

    :raises RegistrationError: for members of the wrong type, or more than may be asked for.
    """
    if not isinstance(document, dict):
        raise RegistrationError((Problem("client_name", "the metadata is a JSON object"),))
    given = {name: value for name, value in document.items() if name in FIELDS and value is not None}
    problems = [
        Problem(name, "it has the wrong type") for name, value in given.items() if not _fits(name, value)
    ]
    if document.get("response_types", ["code"]) not in (["code"], []):
        problems.append(Problem("response_types", "only code is given out"))
    if not problems and CONFIDENTIAL_GRANTS & {*given.get("grant_types", ())}:
        problems.append(Problem("grant_types", "nothing is done without a user"))
    if problems:
        raise RegistrationError(tuple(problems))
    metadata: dict[str, Any] = {
        "client_name": "An application",
        "grant_types": ["authorization_code"],
        **given,
    }
    metadata |= {name: tuple(metadata[name]) for name in LISTS if name in metadata}
    return Registration(**metadata)


def _fits(name: str, value: Any) -> bool:
    if name in LISTS:
        return isinstance(value, list) and len(value) <= 50 and all(isinstance(one, str) for one in value)
    if name in FLAGS:
        return isinstance(value, bool)
    return isinstance(value, dict) if name == "jwks" else isinstance(value, str)


def _told(client: Client, own_token: str, secret: str | None) -> dict[str, Any]:
    """Return what a client is told of itself; of a secret we know the hash alone, so it is told once."""
    registered = clients.registration_of(client)
    metadata: Mapping[str, Any] = {
        name: list(value) if name in LISTS else value
        for name in FIELDS
        if (value := getattr(registered, name)) is not None
    }
    return {
        **metadata,
        "id_token_signed_response_alg": registered.id_token_signed_response_alg or runtime().keys.algorithm,
        "response_types": ["code"] if "authorization_code" in registered.grant_types else [],
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        **({"client_secret": secret} if secret else {}),
        **({"client_secret_expires_at": 0} if registered.has_secret else {}),
        "registration_access_token": own_token,
        "registration_client_uri": f"{settings().issuer}/register/{client.id}",
    }
