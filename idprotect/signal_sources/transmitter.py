"""What we ask the other side: its metadata, a stream of our own, a verification, and the events that wait.

To public addresses alone, without redirects, for seconds (:mod:`idprotect.senders.outgoing`).
"""

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from idprotect import clock
from idprotect.errors import InteractionError
from idprotect.models import SignalSource, session
from idprotect.runtime import reach, runtime
from idprotect.senders import SendError
from idprotect.senders.outgoing import call, get
from idprotect.shared_signals.streams import POLL, PUSH
from idprotect.signal_sources import sources

#: Bytes of an answer with events, and events in one.
LARGEST, MOST_SETS = 1024 * 1024, 50
#: An access token is used for no longer than this, and not in its last seconds.
LONGEST_USE, MARGIN = timedelta(hours=1), timedelta(seconds=20)
SCOPE = "idprotect:signals"


class Unavailable(InteractionError):
    """The transmitter does not answer as one; the message says what it did."""


def discover(issuer: str) -> Mapping[str, Any]:
    """Return the metadata of a transmitter (SSF 1.0 section 7).

    :raises Unavailable: there is none, or it is about somebody else.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    well_known = f"{parts.scheme}://{parts.netloc}/.well-known/ssf-configuration"
    # Section 7.2.1 puts it before the path; some put it after, as OpenID Connect does.
    for url in dict.fromkeys((f"{well_known}{path}", f"{issuer.rstrip('/')}/.well-known/ssf-configuration")):
        try:
            document = json.loads(get(url, accept="application/json", reach=reach()))
        except (SendError, ValueError, RecursionError):
            continue
        if isinstance(document, dict) and document.get("issuer") == issuer:
            return document
    raise Unavailable("There is no /.well-known/ssf-configuration of this issuer.", "issuer")


def jwks_uri(issuer: str) -> str:
    """Return where the keys of a transmitter are, as it says itself.

    :raises Unavailable: it does not.
    """
    found = discover(issuer).get("jwks_uri")
    if not isinstance(found, str):
        raise Unavailable("The issuer's configuration names no jwks_uri.", "jwks_uri")
    return found


def subscribe(source: SignalSource, by: str) -> dict[str, Any]:
    """Make our stream at the transmitter, with a new token where it pushes; return its configuration. Commits.

    :raises Unavailable: it did not make one.
    """
    delivery: dict[str, Any] = {"method": POLL}
    if not source.is_polled:
        token = sources.rotate_token(source, by, "a stream was made")
        delivery = {
            "method": PUSH,
            "endpoint_url": sources.push_url(source),
            "authorization_header": f"Bearer {token}",
        }
    session().commit()  # the transmitter may use the token at once
    wanted = {"delivery": delivery, "events_requested": list(source.events)}
    stream: dict[str, Any] = _ask(source, "POST", _endpoint(source, "configuration_endpoint"), wanted)
    if source.audience not in _listed(stream.get("aud", source.audience)):
        raise Unavailable(
            f"The transmitter calls us {stream['aud']!r}: that has to be the audience.", "audience"
        )
    if source.is_polled:
        sources.move(source, (stream.get("delivery") or {}).get("endpoint_url"))
    sources.record(source, by, "stream made", stream=str(stream.get("stream_id"))[:64])
    session().commit()
    return stream


def stream_of(source: SignalSource) -> dict[str, Any]:
    """Return the configuration of our stream at the transmitter (section 8.1.1.2).

    :raises Unavailable: there is none.
    """
    found = _ask(source, "GET", _endpoint(source, "configuration_endpoint"))
    streams: Sequence[Any] = found if isinstance(found, list) else [found]
    for stream in streams:
        if isinstance(stream, dict) and source.audience in _listed(stream.get("aud")):
            return stream
    raise Unavailable("The transmitter has no stream for us.")


def status_of(source: SignalSource) -> str:
    """Return whether our stream runs, as the transmitter says (section 8.1.2.1). Commits."""
    stream_id = str(stream_of(source).get("stream_id"))
    url = f"{_endpoint(source, 'status_endpoint')}?{urlencode({'stream_id': stream_id})}"
    told = _ask(source, "GET", url)
    status = told.get("status")
    source.stream_status = status[:32] if isinstance(status, str) and status.isprintable() else None
    session().commit()
    return source.stream_status or "unknown"


def ask_for_verification(source: SignalSource, by: str) -> None:
    """Ask for a verification event (section 8.1.4), by which one sees that events arrive. Commits.

    :raises Unavailable: the transmitter will send none.
    """
    stream_id = stream_of(source).get("stream_id")
    state = secrets.token_urlsafe(16)
    source.verification_state = state
    sources.record(source, by, "verification asked for")
    session().commit()
    _ask(source, "POST", _endpoint(source, "verification_endpoint"), {"stream_id": stream_id, "state": state})


def poll(
    source: SignalSource, taken: Sequence[str], refused: Mapping[str, Mapping[str, str]]
) -> Mapping[str, str]:
    """Say what was taken, and fetch what waits (RFC 8936 section 2): ``jti`` → token. Commits.

    :raises Unavailable: there is no answer.
    """
    wanted = {"ack": list(taken), "setErrs": dict(refused), "maxEvents": MOST_SETS, "returnImmediately": True}
    told = _ask(source, "POST", source.poll_url or "", wanted)
    sets = told.get("sets")
    if not isinstance(sets, dict) or not all(isinstance(token, str) for token in sets.values()):
        raise Unavailable("The transmitter answers without sets.")
    return sets


def _endpoint(source: SignalSource, name: str) -> str:
    url = discover(source.issuer).get(name)
    if not isinstance(url, str):
        raise Unavailable(f"The transmitter has no {name}.")
    return url


def _ask(source: SignalSource, method: str, url: str, document: Any = None) -> Any:
    """Call an endpoint of the transmitter; nothing is held while it takes its time. Commits."""
    token = _access_token(source)
    session().commit()
    headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
    if document is not None:
        headers["Content-Type"] = "application/json"
    body = json.dumps(document) if document is not None else ""
    status, content = _call(method, url, headers, body)
    if status == HTTPStatus.UNAUTHORIZED:  # perhaps it forgot our token; the next try gets another
        source.access_token = source.access_token_until = None
        session().commit()
    if status == HTTPStatus.NO_CONTENT or (200 <= status < 300 and not content):
        return {}
    if not 200 <= status < 300:
        raise Unavailable(f"The transmitter answers {status}.")
    return _json(content)


def _access_token(source: SignalSource) -> str:
    """Return what opens the transmitter's endpoints to us: the secret itself, or a token that it gets."""
    secret = sources.secret_of(source)
    if secret is None:
        raise Unavailable("We have nothing by which to prove there who we are.", "secret")
    if source.token_url is None or source.client_id is None:
        return secret
    until, keys, bound_to = source.access_token_until, runtime().keys, sources.bound_to(source)
    if source.access_token is not None and until is not None and until > clock.now() + MARGIN:
        return keys.decrypt(source.access_token, bound_to)
    session().commit()
    told = _json(_token_answer(source.token_url, source.client_id, secret))
    token, seconds = told.get("access_token"), told.get("expires_in")
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
        raise Unavailable("The transmitter gives no access token.")
    good_for = timedelta(seconds=seconds) if type(seconds) is int and 0 < seconds < 10**6 else timedelta()
    source.access_token = keys.encrypt(token, bound_to)
    source.access_token_until = clock.now() + min(good_for, LONGEST_USE)
    return token


def _token_answer(url: str, client_id: str, secret: str) -> bytes:
    """Ask for a token by client credentials (RFC 6749 sections 2.3.1 and 4.4)."""
    credentials = b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
    headers = {
        "Accept": "application/json",
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    form = urlencode({"grant_type": "client_credentials", "scope": SCOPE})
    status, content = _call("POST", url, headers, form)
    if status != HTTPStatus.OK:
        raise Unavailable(f"The transmitter gives no access token: it answers {status}.")
    return content


def _call(method: str, url: str, headers: Mapping[str, str], body: str) -> tuple[int, bytes]:
    try:
        answer = call(method, url, headers, body, most=LARGEST, reach=reach())
        return answer.status, answer.content
    except (SendError, ValueError) as error:
        raise Unavailable(f"The transmitter does not answer: {error}.") from None


def _json(content: bytes) -> Any:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Unavailable("The transmitter answers without JSON.") from None
    if not isinstance(found, dict | list):
        raise Unavailable("The transmitter answers without an object.")
    return found


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
