"""Signed authorization requests (RFC 9101, OIDC Core section 6.1): by value; by reference only where they are pushed.

An object that was verified is the whole request: what a browser says beside it does not count (section 6.3). Authlib's
extension takes unsigned ones, does not ask whom an object is for, and sends no error back.
"""

import json
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc9101.errors import InvalidRequestObjectError
from werkzeug.datastructures import MultiDict

from idprotect.models import ClientRules
from idprotect.oidc import client_jwts, clients
from idprotect.oidc.client_jwts import NotVerified, Rules
from idprotect.oidc.requests import ProtocolRequest, checked
from idprotect.runtime import settings

#: Seconds that may be left of an object.
LONGEST = 3600
TYPES = frozenset({None, "JWT", "oauth-authz-req+jwt"})
#: About the token, not about the request.
_OF_THE_TOKEN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


def resolve(request: ProtocolRequest) -> ProtocolRequest:
    """Return the request that an object in *request* says, or itself when there is none.

    :raises OAuth2Error: for one that is not its client's; redirected only where client and URI are registered so.
    """
    parameters = request.payload.data
    if "request" not in parameters:
        return request
    client = clients.find(parameters.get("client_id", ""))
    if client is None:
        return request  # what has no client is refused for that, by whoever validates it
    try:
        if "request_uri" in parameters:
            raise InvalidRequestError("request and request_uri exclude each other.")
        return ProtocolRequest("GET", "/authorize", _parameters(client, parameters["request"]))
    except OAuth2Error as error:
        uri = parameters.get("redirect_uri", "")
        if client.check_redirect_uri(uri):
            error.redirect_uri, error.state = uri, parameters.get("state")
        raise


def _parameters(client: ClientRules, value: str) -> dict[str, str]:
    """Return the parameters that an object of a client has."""
    rules = Rules(
        types=TYPES,
        algorithm=client.request_object_signing_alg,
        audiences={settings().issuer},
        claims={"iss": client.id, "client_id": client.id},
        longest=LONGEST,
    )
    try:
        claims = client_jwts.verify(client, value, rules)
    except NotVerified as error:
        raise _refused(str(error)) from None
    if claims.get("sub") == client.id:
        raise _refused("an assertion is no request")  # section 10.8
    if {"request", "request_uri"} & claims.keys():
        raise _refused("a request in a request")
    pairs = {name: _text(value) for name, value in claims.items() if name not in _OF_THE_TOKEN}
    return checked(MultiDict(pairs))


def _text(value: Any) -> str:
    """Return a parameter as it would stand in a query."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value)
    raise _refused("a parameter that is no text")


def _refused(reason: str) -> InvalidRequestObjectError:
    return InvalidRequestObjectError(f"The request object cannot be used: {reason}.")
