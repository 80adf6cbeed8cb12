"""For applications on Flask that hear of security events: push (RFC 8935) and poll (RFC 8936) of Shared Signals.

    signals = Receiver("https://sign-in.example.org", client_id, authorization="Bearer …")

    @signals.on(SESSION_REVOKED)
    def forget(event: SecurityEvent) -> None: ...

    app.register_blueprint(signals.blueprint(), url_prefix="/signals")

Nothing of the server is imported, and any transmitter of SSF 1.0 will do.
"""

import hmac
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import requests
from flask import Blueprint, Response, jsonify, request

from idprotect.event_types import (
    ACCOUNT_DISABLED,
    ACCOUNT_ENABLED,
    ASSURANCE_LEVEL_CHANGE,
    CREDENTIAL_CHANGE,
    CREDENTIAL_CHANGE_REQUIRED,
    RISK_LEVEL_CHANGE,
    SESSION_REVOKED,
    VERIFICATION,
)
from idprotect.issuer import InvalidToken, Issuer, IssuerUnavailable

log = logging.getLogger("idprotect.signals_receiver")

__all__ = [
    "ACCOUNT_DISABLED",
    "ACCOUNT_ENABLED",
    "ASSURANCE_LEVEL_CHANGE",
    "CREDENTIAL_CHANGE",
    "CREDENTIAL_CHANGE_REQUIRED",
    "RISK_LEVEL_CHANGE",
    "Receiver",
    "SESSION_REVOKED",
    "SecurityEvent",
    "VERIFICATION",
]

#: So many events are remembered, so that none is handled twice.
REMEMBERED = 10_000
LARGEST = 64 * 1024
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One event.

    :ivar type: one of the types that are imported above.
    :ivar members: what it says: ``current_level``, ``reason_admin`` and so on.
    :ivar claims: of the whole token (RFC 8417).
    """

    id: str
    type: str
    members: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def sub(self) -> str | None:
        """Whom it is about, as in ID tokens; None where it is about nobody."""
        named = self._subject.get("user", self._subject)
        value = named.get("sub") if isinstance(named, dict) else None
        return value if isinstance(value, str) else None

    @property
    def sid(self) -> str | None:
        """Which session it is about, as in ID tokens; None: all that the person has."""
        session = self._subject.get("session")
        value = session.get("id") if isinstance(session, dict) else None
        return value if isinstance(value, str) else None

    @property
    def _subject(self) -> Mapping[str, Any]:
        found = self.claims.get("sub_id")
        return found if isinstance(found, dict) else {}


Handler = Callable[[SecurityEvent], None]


class Receiver:
    """Verifies events and hands each, once, to the functions that want its type.

    It remembers in memory what it had: with several processes a function may be called once in each, so let it do what
    can be done twice.

    :param audience: the client id.
    :param authorization: the header that the transmitter was told to send; None: the signature alone counts.
    """

    def __init__(self, issuer: Issuer | str, audience: str, *, authorization: str | None = None) -> None:
        self.issuer = issuer if isinstance(issuer, Issuer) else Issuer(issuer)
        self.audience, self._authorization = audience, authorization
        self._handlers: dict[str, list[Handler]] = {}
        self._had: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def on(self, event_type: str) -> Callable[[Handler], Handler]:
        """Call a function for each event of a type."""

        def decorate(handler: Handler) -> Handler:
            self._handlers.setdefault(event_type, []).append(handler)
            return handler

        return decorate

    def receive(self, token: str) -> list[SecurityEvent]:
        """Verify a security event token, and handle what is in it; return that, nothing when it came before.

        What a function raises goes on to the caller, and the event counts as not had: it will be sent again.

        :raises InvalidToken: for any other token than one of this issuer, for this audience.
        :raises IssuerUnavailable: nobody can say whose it is.
        """
        claims = self.issuer.verified(token, self.audience, "secevent+jwt")
        jti, events = claims.get("jti"), claims.get("events")
        if not isinstance(jti, str) or not isinstance(events, dict) or "exp" in claims:
            raise InvalidToken("this is no security event token")
        found = [
            SecurityEvent(jti, name, members, claims)
            for name, members in events.items()
            if isinstance(members, dict)
        ]
        if not self._is_new(jti):
            return []
        try:
            for event in found:
                for handler in self._handlers.get(event.type, ()):
                    handler(event)
        except Exception:
            self._had.pop(jti, None)
            raise
        return found

    def poll(self, url: str, access_token: str) -> list[SecurityEvent]:
        """Fetch what waits, handle it, and say that it was taken; return it.

        :raises IssuerUnavailable: there is no answer.
        """
        handled: list[SecurityEvent] = []
        had: set[str] = set()
        answer: dict[str, Any] = {"ack": [], "setErrs": {}}
        while True:
            fetched = _fetch(url, access_token, {**answer, "returnImmediately": True})
            answer = {"ack": [], "setErrs": {}}
            for jti, token in fetched.items():
                try:
                    handled += self.receive(token)
                    answer["ack"].append(jti)
                except InvalidToken as error:
                    log.warning("an event is refused: %s", error)
                    answer["setErrs"][jti] = {"err": "invalid_request", "description": str(error)}
            if fetched.keys() <= had:
                return handled
            had |= fetched.keys()

    def blueprint(self) -> Blueprint:
        """Return the endpoint for push: ``POST`` at the prefix that it is registered with."""
        blueprint = Blueprint("idprotect_signals", __name__)
        blueprint.add_url_rule("/", "receive", self._push, methods=["POST"], strict_slashes=False)
        return blueprint

    def _push(self) -> Response:
        request.max_content_length = LARGEST
        if self._authorization is not None:
            sent = request.headers.get("Authorization", "")
            if not hmac.compare_digest(sent.encode(), self._authorization.encode()):
                return _refused("authentication_failed", "the Authorization header is not the one agreed on")
        try:
            self.receive(request.get_data().decode("ascii", "replace"))
        except InvalidToken as error:
            return _refused("invalid_request", str(error))
        except IssuerUnavailable as error:
            log.error("an event cannot be verified: %s", error)
            return Response(status=503)
        return Response(status=202)

    def _is_new(self, jti: str) -> bool:
        with self._lock:
            if jti in self._had:
                return False
            self._had[jti] = None
            while len(self._had) > REMEMBERED:
                self._had.popitem(last=False)
            return True


def _fetch(url: str, access_token: str, body: Mapping[str, Any]) -> dict[str, str]:
    try:
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = requests.post(url, json=body, headers=headers, timeout=PATIENCE, allow_redirects=False)
        sets = answer.json()["sets"] if answer.status_code == requests.codes.ok else None
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise IssuerUnavailable(f"{url} does not answer") from error
    if not isinstance(sets, dict):
        raise IssuerUnavailable(f"{url} answers {answer.status_code}")
    return sets


def _refused(error: str, description: str) -> Response:
    """Answer as RFC 8935 section 2.3 says."""
    answer = jsonify(err=error, description=description)
    answer.status_code = 400
    return answer
