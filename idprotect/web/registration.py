"""Where applications register themselves, while that is switched on (RFC 7591, RFC 7592)."""

import json
from collections.abc import Callable
from typing import Any

from authlib.oauth2 import OAuth2Error
from flask import Response, abort, jsonify, request

from idprotect.models import session
from idprotect.oidc import dynamic_registration
from idprotect.runtime import settings


def register() -> Response:
    """Register an application (RFC 7591 section 3)."""
    return _answer(lambda token: (201, dynamic_registration.register(_document(), token)))


def registered(client_id: str) -> Response:
    """Read, replace or take back a registration (RFC 7592 section 2)."""
    return _answer(lambda token: _manage(client_id, token))


def _manage(client_id: str, token: str) -> tuple[int, dict[str, Any] | None]:
    client = dynamic_registration.authenticate(client_id, token)
    if request.method == "DELETE":
        dynamic_registration.delete(client)
        return 204, None
    if request.method == "PUT":
        return 200, dynamic_registration.update(client, token, _document())
    return 200, dynamic_registration.show(client, token)


def _answer(respond: Callable[[str], tuple[int, dict[str, Any] | None]]) -> Response:
    """Answer whoever has a token, in JSON; nothing is half done when it fails."""
    if not settings().dynamic_registration:
        abort(404)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        status, document = respond(token.strip() if scheme.lower() == "bearer" else "")
        session().commit()
        response = jsonify(document) if document is not None else Response()
        response.status_code = status
    except OAuth2Error as error:
        session().rollback()
        response = jsonify(dict(error.get_body()))
        response.status_code = error.status_code
        if error.status_code == 401:
            response.headers["WWW-Authenticate"] = f'Bearer error="{error.error}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _document() -> Any:
    """Return the JSON of the body; None when it is none, which the reader refuses."""
    if request.mimetype != "application/json":
        return None
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        return None
