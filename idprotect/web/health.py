"""For whoever runs the server: whether it lives, whether it can work, and numbers for monitoring."""

import hmac
import logging

from flask import Response, abort, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import select

from idprotect import metrics as numbers
from idprotect.models import User, session
from idprotect.runtime import runtime, settings

log = logging.getLogger("idprotect.web")


def live() -> Response:
    """Whether the process answers."""
    return jsonify(status="ok")


def ready() -> Response:
    """Whether it can work: the database answers and has our tables, and the keys can be read. Why not is in the log."""
    try:
        session().execute(select(User.id).limit(1))
        runtime().keys.signing_key()
    except Exception as error:
        session().rollback()
        log.error("not ready: %s", type(error).__name__)
        response = jsonify(status="not ready")
        response.status_code = 503
        return response
    return jsonify(status="ready")


def metrics() -> Response:
    """Numbers for Prometheus, for whoever has the token; without one there is no such page."""
    token = settings().metrics_token
    if not token:
        abort(404)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        response = Response("A bearer token is needed.\n", 401, mimetype="text/plain")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return Response(numbers.text(), content_type=CONTENT_TYPE_LATEST)
