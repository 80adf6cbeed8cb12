"""Who may use the interface: a client with an access token of its own, for the scope at hand (RFC 6750)."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import request

from idprotect.api.problems import Problem
from idprotect.oidc import client_credentials
from idprotect.oidc.client_credentials import ClientToken


def require(scopes: Sequence[str]) -> ClientToken:
    """Return the token of the request; raise Problem when it allows none of *scopes*."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith("bearer "):
        raise _refused(HTTPStatus.UNAUTHORIZED, "A bearer token is needed.")
    token = client_credentials.presented(header)
    if token is None:
        why = "The token is not valid here; one that is bound to a key is not taken."
        raise _refused(HTTPStatus.UNAUTHORIZED, why, 'error="invalid_token"')
    if not any(token.allows(scope) for scope in scopes):
        why = f'error="insufficient_scope", scope="{scopes[0]}"'
        raise _refused(HTTPStatus.FORBIDDEN, f"The scope {' or '.join(scopes)} is needed.", why)
    return token


def _refused(status: HTTPStatus, detail: str, challenge: str = "") -> Problem:
    return Problem(status, detail, headers={"WWW-Authenticate": f"Bearer {challenge}".strip()})
