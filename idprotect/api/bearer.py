"""Who may use the interface: a client with an access token of its own, for the scope at hand (RFC 6750, RFC 9449)."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import request

from idprotect.api.problems import Problem
from idprotect.oidc import client_credentials
from idprotect.oidc.client_credentials import ClientToken
from idprotect.oidc.dpop import InvalidDpopProof
from idprotect.oidc.presentation import Presentation, present


def require(scopes: Sequence[str]) -> ClientToken:
    """Return the token of the request; raise Problem when it allows none of *scopes*."""
    presentation = present(request)
    if presentation.value is None:
        raise _refused(HTTPStatus.UNAUTHORIZED, "An access token is needed.", presentation)
    try:
        token = client_credentials.presented(presentation)
    except InvalidDpopProof as error:
        why = "The proof of the key is missing, or not good for this request."
        raise _refused(HTTPStatus.UNAUTHORIZED, why, presentation, error=error.error) from None
    if token is None:
        why = "The token is not valid here; one that is bound to a key needs its proof."
        raise _refused(HTTPStatus.UNAUTHORIZED, why, presentation, error="invalid_token")
    if not any(token.allows(scope) for scope in scopes):
        said = {"error": "insufficient_scope", "scope": scopes[0]}
        why = f"The scope {' or '.join(scopes)} is needed."
        raise _refused(HTTPStatus.FORBIDDEN, why, presentation, **said)
    return token


def _refused(status: HTTPStatus, detail: str, presentation: Presentation, **said: str) -> Problem:
    return Problem(status, detail, headers={"WWW-Authenticate": presentation.challenge(**said)})
