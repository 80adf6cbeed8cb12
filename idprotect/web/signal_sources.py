"""Where signal sources send their events (RFC 8935): each to an address, and with a token, of its own."""

import hmac
from http import HTTPStatus

from flask import Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from idprotect.keys import sha256
from idprotect.models import SignalSource, session
from idprotect.signal_sources import receiving
from idprotect.signal_sources.tokens import NotNow, Refused

MEDIA_TYPE = "application/secevent+jwt"
#: Of a token, in bytes.
LARGEST = 32 * 1024
#: After so many seconds a source tries again what could not be verified now.
RETRY_AFTER = 60
#: Compared where there is nobody, so that an address that is not there answers like a wrong token.
_NOBODY = sha256("nobody")


def receive(source_id: str) -> Response:
    """Take one event: 202, whomever it is about."""
    source = session().get(SignalSource, source_id) if len(source_id) <= 32 and source_id.isalnum() else None
    if not _is_authentic(source) or source is None:
        return _refused("authentication_failed", "The token is not the one of this source.")
    if request.mimetype != MEDIA_TYPE:
        return _refused("invalid_request", f"The body is not {MEDIA_TYPE}.")
    request.max_content_length = LARGEST
    try:
        token = request.get_data().decode("ascii")
        receiving.receive(source, token)
    except RequestEntityTooLarge:
        return _refused("invalid_request", "The body is too long.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except UnicodeDecodeError:
        return _refused("invalid_request", "The body is no token.")
    except Refused as error:
        return _refused(error.code, str(error))
    except NotNow:
        session().rollback()
        later = Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        later.headers["Retry-After"] = str(RETRY_AFTER)
        return _unstored(later)
    return _unstored(Response(status=HTTPStatus.ACCEPTED))


def _is_authentic(source: SignalSource | None) -> bool:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    stored = source.token_hash if source is not None else None
    is_same = hmac.compare_digest(sha256(token.strip()), stored or _NOBODY)
    return is_same and stored is not None and kind.lower() == "bearer"


def _refused(error: str, description: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Response:
    """Answer as RFC 8935 section 2.3 says."""
    session().rollback()
    answer = jsonify(err=error, description=description)
    answer.status_code = status
    return _unstored(answer)


def _unstored(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
