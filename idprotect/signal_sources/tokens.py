"""Whether a security event token (RFC 8417) is a source's, and meant for us: its keys, our algorithms, nothing else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from joserfc import jws, jwt
from joserfc.errors import JoseError

from idprotect import clock
from idprotect.errors import IDProtectError
from idprotect.event_types import OLDEST_TOKEN, RISC_VERIFICATION, STREAM_UPDATED, VERIFICATION
from idprotect.models import SignalSource, session
from idprotect.oidc.client_jwts import Registry
from idprotect.oidc.client_keys import KeyCache, KeysUnknown
from idprotect.risk.detections.shared_signal import RULES, members_of
from idprotect.runtime import reach, runtime

#: Between our clock and a source's, in seconds.
LEEWAY = 60
LONGEST_JTI, LONGEST_TYPE, MOST_EVENTS = 255, 255, 10
_OF_STREAM = frozenset({VERIFICATION, RISC_VERIFICATION, STREAM_UPDATED})
#: What hostile input makes the library raise.
_BAD = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Refused(IDProtectError):
    """A token was not taken.

    :ivar code: of RFC 8935 section 2.4.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class NotNow(IDProtectError):
    """Nobody can say now whose a token is; later somebody may."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One event that a source told.

    :param members: of the event, those that count here.
    :param subject: whom it is about, as the source says it.
    :param txn: RFC 8417 section 2.2; the ``jti`` where there is none.
    :param state: of a verification; None: there is none.
    """

    jti: str
    type: str
    members: Mapping[str, str]
    subject: Mapping[str, Any]
    txn: str
    state: str | None
    status: str


def verified(source: SignalSource, token: str) -> Signal:
    """Return what a token tells.

    :raises Refused: it is not this source's, not for us, or no security event token.
    :raises NotNow: its keys cannot be had.
    """
    claims = _claims(source, token)
    if claims.get("iss") != source.issuer:
        raise Refused("invalid_issuer", "The token is another issuer's.")
    said = claims.get("aud")
    if source.audience not in (said if isinstance(said, list) else [said]):
        raise Refused("invalid_audience", "The token is for somebody else.")
    _check_times(claims)
    return _signal(claims)


def _claims(source: SignalSource, token: str) -> Mapping[str, Any]:
    """Return the claims of a token whose signature is the source's."""
    registry = Registry()
    try:
        header = jws.extract_compact(token.encode(), registry=registry).headers()
    except _BAD:
        raise Refused("invalid_request", "This is no signed token.") from None
    if str(header.get("typ")).lower().removeprefix("application/") != "secevent+jwt":
        raise Refused("invalid_request", "The type of the token is not secevent+jwt.")
    url, kid = source.jwks_uri, header.get("kid")
    session().commit()  # nothing is held while the other side takes its time
    try:
        cache: KeyCache = runtime().client_keys
        keys = cache.of(url, kid, reach())
    except KeysUnknown:
        raise NotNow("the keys of the source cannot be fetched") from None
    try:
        claims = jwt.decode(token, keys, registry=registry).claims
    except _BAD:
        raise Refused("invalid_key", "The signature is not by a key of this source.") from None
    if not isinstance(claims, dict):
        raise Refused("invalid_request", "The token has no claims.")
    return claims


def _check_times(claims: Mapping[str, Any]) -> None:
    issued_at, now = claims.get("iat"), clock.now().timestamp()
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float) or not math.isfinite(issued_at):
        raise Refused("invalid_request", "iat is missing.")
    if issued_at > now + LEEWAY:
        raise Refused("invalid_request", "The token is from the future.")
    if issued_at < now - OLDEST_TOKEN.total_seconds():
        raise Refused("invalid_request", "The token is too old.")
    # So that no ID token, and no access token, passes for an event (RFC 8417 section 4.5).
    if "exp" in claims:
        raise Refused("invalid_request", "A security event token has no exp.")


def _signal(claims: Mapping[str, Any]) -> Signal:
    jti, events = claims.get("jti"), claims.get("events")
    if not _is_text(jti, LONGEST_JTI):
        raise Refused("invalid_request", "jti is missing.")
    if not isinstance(events, dict) or not 0 < len(events) <= MOST_EVENTS:
        raise Refused("invalid_request", "events is an object with an event.")
    if not all(_is_text(name, LONGEST_TYPE) and isinstance(event, dict) for name, event in events.items()):
        raise Refused("invalid_request", "Each event is an object, under its type.")
    # Several types are several words for the one thing that happened (RFC 8417 section 2.2).
    event_type = next((name for name in events if name in RULES), next(iter(events)))
    event, txn = events[event_type], claims.get("txn")
    # Drafts, which some still follow, had the subject within the event. What is about the stream needs none.
    subject = claims.get("sub_id", event.get("subject", {} if event_type in _OF_STREAM else None))
    if not isinstance(subject, dict):
        raise Refused("invalid_request", "sub_id is missing.")
    state = event.get("state")
    return Signal(
        jti,
        event_type,
        members_of(event),
        subject,
        txn if _is_text(txn, LONGEST_JTI) else jti,
        state if isinstance(state, str) else None,
        status=status if _is_text(status := event.get("status"), 32) else "",
    )


def _is_text(value: Any, longest: int) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
