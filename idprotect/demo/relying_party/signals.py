"""What the provider tells unasked, and how it is asked to: Shared Signals by push, and logout tokens.

Another provider may know neither: then the page says so, and everything else works.
"""

import secrets
from collections import deque
from collections.abc import Mapping
from typing import Any

import requests

from idprotect.issuer import Issuer, IssuerUnavailable
from idprotect.signals_receiver import Receiver, SecurityEvent

from .event_words import EVENTS, Heard, of_logout, of_signal
from .memory import Memory
from .provider import TIMEOUT_SECONDS, SignedIn
from .settings import Settings

SCOPE = "idprotect:signals"
PUSH = "urn:ietf:rfc:8935"
#: So many events are kept to be shown.
KEPT = 50
NAME_SECONDS = 30 * 24 * 3600


class NotHeard(Exception):
    """The provider tells us nothing; the message says why."""


class Signals:
    """The events that came, newest first, and the stream that they come by; threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._authorization = f"Bearer {secrets.token_urlsafe(32)}"
        self._names = Memory()
        self.heard: deque[Heard] = deque(maxlen=KEPT)
        self.is_subscribed = False
        self.issuer = Issuer(settings.issuer)
        self.receiver = Receiver(self.issuer, settings.client_id, authorization=self._authorization)
        for event_type in EVENTS:
            self.receiver.on(event_type)(self._take)

    def name(self, signed_in: SignedIn) -> None:
        """Remember what the person is called, to say later whom an event is about."""
        known = {**signed_in.profile, **signed_in.claims}
        name = known.get("name") or known.get("preferred_username")
        if name:
            self._names.set(signed_in.claims["sub"], str(name), NAME_SECONDS)

    def take_logout(self, claims: Mapping[str, Any], stays: int) -> None:
        """Note a logout token.

        :param stays: how many it ended here.
        """
        self.heard.appendleft(of_logout(claims, self._who(claims.get("sub")), stays))

    def subscribe(self) -> None:
        """Ask the provider to push events here: with our stream of before, or a new one (SSF 1.0 section 8.1.1).

        :raises NotHeard: it does not.
        """
        try:
            metadata = _answer("GET", f"{self._settings.issuer.rstrip('/')}/.well-known/ssf-configuration")
            url = metadata["configuration_endpoint"]
            headers = {"Authorization": f"Bearer {self._access_token()}"}
            streams = _answer("GET", url, headers=headers)
            wanted = {"delivery": self._delivery()}
            if streams:
                wanted["stream_id"] = streams[0]["stream_id"]
            _answer("PATCH" if streams else "POST", url, headers=headers, json=wanted)
        except (IssuerUnavailable, requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise NotHeard(f"{type(error).__name__}: {error}") from error
        self.is_subscribed = True

    def _take(self, event: SecurityEvent) -> None:
        self.heard.appendleft(of_signal(event, self._who(event.sub)))

    def _who(self, sub: str | None) -> str:
        return (self._names.get(sub) if sub else None) or "Somebody"

    def _delivery(self) -> dict[str, str]:
        url = f"{self._settings.base_url}/signals"
        return {"method": PUSH, "endpoint_url": url, "authorization_header": self._authorization}

    def _access_token(self) -> str:
        """Return an access token of our own, about nobody (RFC 6749 section 4.4)."""
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        answer = _answer(
            "POST",
            self.issuer.metadata()["token_endpoint"],
            data=form,
            auth=(self._settings.client_id, self._settings.client_secret or ""),
        )
        return str(answer["access_token"])


def _answer(method: str, url: str, **options: Any) -> Any:
    answer = requests.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options)
    answer.raise_for_status()
    return answer.json()
