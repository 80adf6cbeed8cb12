"""An issuer as the applications see it that trust its tokens: metadata and keys, fetched when needed, then kept.

For :mod:`idprotect.resource_server` and :mod:`idprotect.signals_receiver`; nothing of the server is imported. Needs
``requests``, as ``pip install 'idprotect[applications]'`` installs it.
"""

import time
from threading import Lock
from typing import Any

import requests
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

#: What tokens may be signed with; never a shared secret, never nothing.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
#: Keys are asked for again after so many seconds; and after fewer, when one comes that is not among them.
FRESH, PAUSE = 300.0, 30.0
PATIENCE = 10.0


#: By how much the clocks may differ, in seconds.
LEEWAY = 60
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class IssuerUnavailable(Exception):
    """The issuer does not answer, or not as an issuer does."""


class InvalidToken(Exception):
    """A token is not the issuer's, not for this application, or not what it has to be."""


class Issuer:
    """One issuer; threads may share it.

    :param url: its identifier, to the letter.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = Lock()
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._fetched_at = 0.0

    def metadata(self) -> dict[str, Any]:
        """Return the metadata (OIDC Discovery section 4), which has to be about this very issuer.

        :raises IssuerUnavailable:
        """
        if self._metadata is None:
            found = _document("GET", self.url.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self.url:
                raise IssuerUnavailable(f"{self.url} calls itself {found.get('issuer')!r}")
            self._metadata = found
        return self._metadata

    def keys(self, kid: str | None = None) -> KeySet:
        """Return the public keys.

        :param kid: of the one that is looked for; when it is unknown, they are fetched anew, but not at every request.
        :raises IssuerUnavailable:
        """
        with self._lock:
            age = time.monotonic() - self._fetched_at
            is_known = self._keys is not None and (kid is None or any(key.kid == kid for key in self._keys))
            if self._keys is None or age >= FRESH or (not is_known and age >= PAUSE):
                self._keys = _key_set(_document("GET", self.metadata()["jwks_uri"]))
                self._fetched_at = time.monotonic()
            return self._keys

    def verified(self, token: str, audience: str, typ: str) -> dict[str, Any]:
        """Return the claims of a token of this issuer, for this audience, of this type (RFC 8725 section 3).

        Whether it has expired, or came before, is for the caller to say.

        :raises InvalidToken: for any other.
        :raises IssuerUnavailable: nobody can say whose it is.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
            if str(header.get("typ")).lower().removeprefix("application/") != typ:
                raise InvalidToken(f"the token is no {typ}")
            claims = jwt.decode(token, self.keys(header.get("kid")), ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidToken("the signature is not the issuer's") from error
        said = claims.get("aud")
        if claims.get("iss") != self.url or audience not in (said if isinstance(said, list) else [said]):
            raise InvalidToken("the token is another issuer's, or for somebody else")
        return claims

    def logout_token(self, token: str, client_id: str) -> dict[str, Any]:
        """Return the claims of a logout token (OIDC Back-Channel Logout section 2.6): which ``sid``, or ``sub``, ends.

        :raises InvalidToken: for anything else.
        """
        claims = self.verified(token, client_id, "logout+jwt")
        events, expires_at = claims.get("events"), claims.get("exp")
        if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims:
            raise InvalidToken("the token tells of no logout")
        if not isinstance(expires_at, int | float) or expires_at < time.time() - LEEWAY:
            raise InvalidToken("the token has expired")
        if not (claims.get("sid") or claims.get("sub")):
            raise InvalidToken("the token says not whose session it is")
        return claims

    def introspect(self, token: str, client_id: str, client_secret: str) -> dict[str, Any]:
        """Ask what a token is worth (RFC 7662).

        :raises IssuerUnavailable: also when it does not know these credentials.
        """
        form = {"token": token, "token_type_hint": "access_token"}
        url = self.metadata()["introspection_endpoint"]
        return _document("POST", url, data=form, auth=(client_id, client_secret))


def _key_set(document: dict[str, Any]) -> KeySet:
    try:
        return KeySet.import_key_set(document)  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise IssuerUnavailable("the keys cannot be read") from error


def _document(method: str, url: str, **options: Any) -> dict[str, Any]:
    try:
        answer = requests.request(method, url, timeout=PATIENCE, allow_redirects=False, **options)
        if answer.status_code != requests.codes.ok:
            raise IssuerUnavailable(f"{url} answers {answer.status_code}")
        document = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise IssuerUnavailable(f"{url} does not answer") from error
    if not isinstance(document, dict):
        raise IssuerUnavailable(f"{url} answers with no JSON object")
    return document
