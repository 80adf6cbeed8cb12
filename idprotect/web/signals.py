"""Where applications look after their stream of security events, and fetch it (SSF 1.0 section 8, RFC 8936).

Each call has an access token of the application's own, for the scope ``idprotect:signals``; it sees its stream alone.
"""

import json
from collections.abc import Callable
from typing import Any

from flask import Response, abort, jsonify, request

from idprotect.models import Client, SignalStream, session
from idprotect.oidc import client_credentials
from idprotect.oidc.dpop import InvalidDpopProof
from idprotect.oidc.presentation import Presentation, present
from idprotect.registration import SIGNALS
from idprotect.shared_signals import streams, telling
from idprotect.shared_signals.streams import MIN_VERIFICATION_INTERVAL, InvalidStream, StreamExists, TooOften

Answer = tuple[int, Any]
NO_CONTENT: Answer = 204, None


def configuration() -> Response:
    """Tell receivers what there is (section 7.1)."""
    return jsonify(streams.metadata())


def stream() -> Response:
    """Make, read, change or delete a stream (section 8.1.1)."""
    return _answer(_stream)


def status() -> Response:
    """Read or set whether a stream runs (section 8.1.2)."""
    return _answer(_status)


def add_subject() -> Response:
    """Hear of somebody again (section 8.1.3.2)."""
    return _answer(lambda client: _subject(client, told=True))


def remove_subject() -> Response:
    """Hear of somebody no more (section 8.1.3.3)."""
    return _answer(lambda client: _subject(client, told=False))


def verification() -> Response:
    """Ask for a verification event (section 8.1.4)."""
    return _answer(_verify)


def poll() -> Response:
    """Fetch events, and say which were taken (RFC 8936 section 2)."""
    return _answer(_poll)


def _stream(client: Client) -> Answer:
    if request.method == "POST":
        return 201, streams.described(streams.create(client, _document()))
    if request.method == "GET" and "stream_id" not in request.args:
        own = streams.of(client)
        return 200, [streams.described(own)] if own is not None else []
    if request.method in ("PATCH", "PUT"):
        wanted = _document()
        own = _own(client, _named(wanted))
        streams.change(own, wanted, replace=request.method == "PUT")
        return 200, streams.described(own)
    own = _own(client, request.args.get("stream_id"))
    if request.method == "DELETE":
        streams.delete(own)
        return NO_CONTENT
    return 200, streams.described(own)


def _status(client: Client) -> Answer:
    if request.method == "POST":
        wanted = _document()
        own = _own(client, _named(wanted))
        streams.set_status(own, wanted)
    else:
        own = _own(client, request.args.get("stream_id"))
    told = {"stream_id": own.id, "status": own.status}
    return 200, told | ({"reason": own.reason} if own.reason else {})


def _subject(client: Client, *, told: bool) -> Answer:
    wanted = _document()
    streams.set_subject(client, _own(client, _named(wanted)), wanted, told=told)
    return (200, {}) if told else NO_CONTENT


def _verify(client: Client) -> Answer:
    wanted = _document()
    streams.verify(_own(client, _named(wanted)), wanted)
    return NO_CONTENT


def _poll(client: Client) -> Answer:
    wanted = _document()
    own = streams.of(client)
    if own is None or own.is_pushed:
        abort(404)
    if not isinstance(wanted, dict):
        raise InvalidStream("A JSON object is needed.")
    taken, failed, most = (
        wanted.get("ack", []),
        wanted.get("setErrs", {}),
        wanted.get("maxEvents", telling.MOST_SETS),
    )
    named = [*taken, *failed] if isinstance(taken, list) and isinstance(failed, dict) else None
    if named is None or len(named) > 1000 or not all(map(streams.is_text, named)):
        raise InvalidStream("ack is a list and setErrs an object of jti.")
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise InvalidStream("maxEvents is a number.")
    sets, is_more = telling.poll(own, named, most)
    return 200, {"sets": sets, **({"moreAvailable": True} if is_more else {})}


def _own(client: Client, stream_id: str | None) -> SignalStream:
    own = streams.of(client)
    if own is None or own.id != stream_id:
        abort(404)
    return own


def _named(wanted: Any) -> str | None:
    return wanted.get("stream_id") if isinstance(wanted, dict) else None


def _answer(respond: Callable[[Client], Answer]) -> Response:
    """Answer an application that has a token for this, in JSON; nothing is half done when it fails."""
    presentation = present(request)
    try:
        token = client_credentials.presented(presentation)
    except InvalidDpopProof as error:
        return _refused(401, error.error, presentation)
    if token is None:
        return _refused(401, "invalid_token", presentation)
    if not token.allows(SIGNALS):
        return _refused(403, "insufficient_scope", presentation)
    try:
        status_code, document = respond(session().get_one(Client, token.client.id))
        session().commit()
    except InvalidStream as error:
        return _error(400, error.message)
    except StreamExists as error:
        return _error(409, error.message)
    except TooOften as error:
        refused = _error(429, error.message)
        refused.headers["Retry-After"] = str(MIN_VERIFICATION_INTERVAL)
        return refused
    response = jsonify(document) if document is not None else Response()
    response.status_code = status_code
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(status_code: int, why: str, presentation: Presentation) -> Response:
    response = _error(status_code, why)
    response.headers["WWW-Authenticate"] = presentation.challenge(error=why)
    return response


def _error(status_code: int, why: str) -> Response:
    session().rollback()
    response = jsonify(error=why)
    response.status_code = status_code
    response.headers["Cache-Control"] = "no-store"
    return response


def _document() -> Any:
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise InvalidStream("The body is no JSON.") from None
