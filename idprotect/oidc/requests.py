"""What Authlib gets to see of a request: bounded, printable, without duplicates, and under our own URL.

Authlib answers some hostile inputs with an exception; nothing of that kind comes past here.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from flask import Request
from werkzeug.datastructures import MultiDict

from idprotect.runtime import settings

#: Longest value of a parameter; what is not named may have DEFAULT_LIMIT characters.
LIMITS = {
    "state": 4096,
    "nonce": 4096,
    "scope": 2048,
    "redirect_uri": 2048,
    "client_assertion": 16384,
    "request": 16384,
    "token": 16384,
    "subject_token": 16384,
    "actor_token": 16384,
    "id_token_hint": 16384,
    "claims": 4096,
}
DEFAULT_LIMIT = 1024
MOST_PARAMETERS = 50
#: What values may consist of: in the RFCs, printable ASCII.
PRINTABLE = re.compile(r"[ -~]*")
#: People type these, or languages and applications name things with them: no control characters, valid Unicode.
FREE_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
#: Authlib quotes these in error descriptions, where RFC 6749 allows neither " nor \.
QUOTED = re.compile(r"[ !#-\[\]-~]*")
VALUES = {
    **dict.fromkeys(("login_hint", "state", "claims"), FREE_TEXT),
    **dict.fromkeys(("response_type", "redirect_uri", "scope", "grant_type", "client_id"), QUOTED),
}


class ProtocolRequest(OAuth2Request):  # type: ignore[misc]
    """A request to the server, under the issuer's URL: proxies may have changed scheme and host.

    :param parameters: those of the query or of the body, never both.
    :ivar wishes: set once an authorization request was validated.
    :ivar jkt: thumbprint of the key that the client proved to hold (RFC 9449), once it is authenticated.
    :ivar audience: whom the access token is for that is about to be issued for it.
    :ivar sign_in: set when a code is about to be issued for it.
    :ivar error: set when it was answered with an error.
    """

    def __init__(self, method: str, path: str, parameters: Mapping[str, str], headers: Any = None) -> None:
        super().__init__(method, settings().issuer + path, headers=headers)
        self.payload = BasicOAuth2Payload(dict(parameters))
        self.wishes: Any = None
        self.jkt: str | None = None
        self.audience: str = ""
        self.sign_in: Any = None
        self.error: OAuth2Error | None = None

    @property
    def proofs(self) -> list[str]:
        """The ``DPoP`` headers that came."""
        # Asked for its truth or a list, Werkzeug's headers decode every one of them; WSGI joins several by commas.
        return [self.headers["DPoP"]] if self.headers is not None and "DPoP" in self.headers else []

    @property
    def response_mode(self) -> str:
        """How the answer is to be given; validated by :mod:`idprotect.web.authorize`."""
        return str(self.payload.data.get("response_mode", "query"))

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters; at endpoints that take a body these are the body's."""
        data: Mapping[str, str] = self.payload.data
        return data

    @property
    def args(self) -> Mapping[str, str]:
        """Nothing comes from the query of an endpoint that takes a body."""
        return {}


def read(request: Request, *, body: bool) -> ProtocolRequest:
    """Return the request for Authlib.

    :param body: parameters come from the form body, else from the query.
    :raises InvalidRequestError: for anything the RFCs do not allow in a parameter.
    """
    if body and request.mimetype != "application/x-www-form-urlencoded":
        raise InvalidRequestError("The body must be application/x-www-form-urlencoded.")
    sent = request.get_data() if body else request.query_string
    try:
        unquote_to_bytes(sent).decode()
    except UnicodeDecodeError:
        # Werkzeug would put something else in its place, and ``state`` has to go back exactly as it came.
        raise InvalidRequestError("A parameter is not UTF-8.") from None
    parameters = request.form if body else request.args
    return ProtocolRequest(
        request.method,
        request.path.removeprefix(settings().url_prefix),
        checked(parameters),
        request.headers,
    )


def checked(parameters: "MultiDict[str, str]") -> dict[str, str]:
    """Return the parameters, each of which came once.

    :raises InvalidRequestError: for anything the RFCs do not allow in a parameter.
    """
    if len(parameters) > MOST_PARAMETERS:
        raise InvalidRequestError("Too many parameters.")
    checked = {}
    for name, values in parameters.lists():
        if not (name.isascii() and name.isprintable()) or len(name) > 128:
            raise InvalidRequestError("A parameter has no valid name.")
        if len(values) > 1:
            # RFC 6749 section 3.1: parameters must not be included more than once.
            raise InvalidRequestError(f"A parameter came more than once: {_quotable(name)}.")
        value = values[0]
        if len(value) > LIMITS.get(name, DEFAULT_LIMIT):
            raise InvalidRequestError(f"A parameter is too long: {_quotable(name)}.")
        if not VALUES.get(name, PRINTABLE).fullmatch(value):
            raise InvalidRequestError(f"A parameter has characters that are not allowed: {_quotable(name)}.")
        if value:  # RFC 6749 section 3.1: sent without a value counts as omitted
            checked[name] = value
    return checked


def _quotable(name: str) -> str:
    return "".join(c for c in name if c not in '"\\')
