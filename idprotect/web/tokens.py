"""The endpoints that applications call: token, userinfo, keys, metadata, introspection, revocation."""

import logging
from collections.abc import Callable
from typing import Any, cast

from authlib.oauth2 import OAuth2Error
from flask import Response, json, jsonify, request

from idprotect import standard_claims
from idprotect.errors import EvaluationError, TooManyAttempts
from idprotect.models import session
from idprotect.oidc import metadata, pushed_requests, subjects, tokens
from idprotect.oidc import requests as protocol
from idprotect.oidc.dpop import InvalidDpopProof
from idprotect.oidc.id_token import signed_userinfo, user_claims
from idprotect.oidc.presentation import Presentation, present
from idprotect.oidc.requests import ProtocolRequest
from idprotect.oidc.server import Server
from idprotect.runtime import runtime
from idprotect.web import noted
from idprotect.web.authorize import validate

log = logging.getLogger("idprotect.web")
PUBLIC_FOR_MINUTES = "public, max-age=300"


def token() -> Response:
    """The token endpoint (RFC 6749 section 3.2): POST, parameters in the body only."""
    return _answer(lambda oauth_request: _server().create_token_response(oauth_request))


def push() -> Response:
    """Take a pushed authorization request (RFC 9126)."""
    return _answer(_push)


def _push(oauth_request: ProtocolRequest) -> Response:
    """Validate it as the authorize endpoint would; but errors are for the application alone, never redirected."""
    try:
        pushed = pushed_requests.push(oauth_request)
        validate(pushed)
    except OAuth2Error as error:
        error.redirect_uri = None
        raise
    response = jsonify(pushed_requests.store(pushed.payload.data))
    response.status_code = 201
    return response


def authorize_device() -> Response:
    """Give a device its codes (RFC 8628 section 3.1)."""
    return _answer(lambda asked: _server().create_endpoint_response("device_authorization", asked))


def introspect() -> Response:
    """Token introspection (RFC 7662)."""
    return _answer(lambda oauth_request: _server().create_endpoint_response("introspection", oauth_request))


def revoke() -> Response:
    """Token revocation (RFC 7009)."""
    return _answer(lambda oauth_request: _server().create_endpoint_response("revocation", oauth_request))


def userinfo() -> Response:
    """Claims about the user of an access token (OIDC Core section 5.3)."""
    presentation = _presented()
    if presentation.value is None:
        return Response(status=401, headers={"WWW-Authenticate": presentation.challenge()})
    presented = tokens.find(presentation.value)
    try:
        is_good = presented is not None and not presented.is_refresh and presented.active
        if presented is None or not is_good or not presentation.proves(presented.token.jkt):
            return _refused(401, "invalid_token", presentation)
    except InvalidDpopProof as error:
        return _refused(401, error.error, presentation)
    token = presented.token
    if "openid" not in token.scope.split():
        return _refused(403, "insufficient_scope", presentation)
    by_scope = standard_claims.of_scopes(token.scope.split())
    claims = user_claims(presented.user, by_scope.union(token.claims.get("userinfo", ())))
    claims["sub"] = subjects.of(presented.client, presented.user.id)
    if presented.client.userinfo_signed_response_alg:
        return Response(signed_userinfo(claims, presented.client), mimetype="application/jwt")
    return jsonify(claims)


def _presented() -> Presentation:
    """Return the access token of a request: of its header, or of a form, not of both (RFC 6750 section 2)."""
    sent = request.form.getlist("access_token") if request.method == "POST" else []
    if not sent:
        return present(request)
    is_alone = len(sent) == 1 and "Authorization" not in request.headers
    return Presentation(request, "Bearer", (sent[0] or None) if is_alone else None)


def jwks() -> Response:
    """The public signing keys (RFC 7517)."""
    return _public(json.dumps(runtime().keys.public_jwks()))


def configuration() -> Response:
    """The provider's metadata."""
    return _public(metadata.document())


def _answer(respond: Callable[[Any], Response]) -> Response:
    """Answer a client's request: the standard error in JSON, and nothing half done when there was one."""
    error: OAuth2Error | None = None
    try:
        oauth_request = protocol.read(request, body=True)
        response = respond(oauth_request)
        error = oauth_request.error
    except OAuth2Error as raised:
        error = raised
        response = _server().handle_error_response(request, raised)
    except TooManyAttempts as limit:  # after wrong client secrets
        response = _error(429, "invalid_client")
        response.headers["Retry-After"] = str(limit.retry_after)
    except EvaluationError:
        response = _error(503, "temporarily_unavailable")
        response.headers["Retry-After"] = "5"
    if response.status_code < 400:
        session().commit()
    else:
        session().rollback()
    if error is not None:
        noted.note(error)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(status: int, error: str, presentation: Presentation) -> Response:
    """Answer a token that is not good for this."""
    response = _error(status, error)
    response.headers["WWW-Authenticate"] = presentation.challenge(error=error)
    return response


def _error(status: int, error: str) -> Response:
    return Response(json.dumps({"error": error}), status, mimetype="application/json")


def _public(document: str) -> Response:
    response = Response(document, mimetype="application/json")
    response.headers["Cache-Control"] = PUBLIC_FOR_MINUTES
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _server() -> Server:
    return cast(Server, runtime().server)
