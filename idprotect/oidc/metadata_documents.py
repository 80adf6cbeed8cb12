"""Metadata documents of clients (draft-ietf-oauth-client-id-metadata-document): what may be one, and what it says.

Whoever writes such a document is a stranger. It may ask for what an application may that registers itself, and for
less: no secret is shared, nobody else is called because of it, and PKCE and consent are never left out.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from idprotect import redirect_uris
from idprotect.oidc import dynamic_registration
from idprotect.registration import CODE_GRANTS, DEVICE_CODE, Problem, Registration, RegistrationError

#: Of a document (section "Maximum Response Size").
MAX_BYTES = 5 * 1024
#: Of its URL: as many as a client id has.
MAX_URL = 128
#: Seconds that a document is not asked for again: at least, at most, and where nothing is said of it.
LEAST, MOST, USUAL = 300, 86400, 3600
GRANTS = (*CODE_GRANTS, DEVICE_CODE)
AUTH_METHODS = ("none", "private_key_jwt")
#: No other address is called because a stranger says so, but that of the client's own keys.
_NOT_TAKEN = frozenset({"backchannel_logout_uri", "sector_identifier_uri"})
_TAKEN = dynamic_registration.FIELDS.keys() - _NOT_TAKEN
_SECRETS = ("client_secret", "client_secret_expires_at")


def is_url(client_id: str) -> bool:
    """Whether a client id may be the URL of a document; all others belong to clients that are registered."""
    return client_id.startswith(("https://", "http://")) and client_id.isascii() and client_id.isprintable()


def problem(url: str, *, development: bool = False) -> str | None:
    """Return why a URL cannot be a client id, None when it can (section "Client Identifier").

    :param development: http will do, on this machine.
    """
    if len(url) > MAX_URL:
        return f"it has more than {MAX_URL} characters"
    if redirect_uris.problem(url, native=False) is not None:
        return "it is not an https URL without fragment, user name and password"
    parts = urlsplit(url)
    if parts.scheme != "https" and not development:
        return "it is not https"
    if parts.path in ("", "/"):
        return "it has no path"
    if any(unquote(segment) in (".", "..") for segment in parts.path.split("/")):
        return "its path has dot segments"
    return None


def is_of_hosts(url: str, hosts: Sequence[str]) -> bool:
    """Whether a URL is of one of these hosts; ``.example.org`` stands for all below, none for every host."""
    host = urlsplit(url).hostname or ""
    return not hosts or any(
        host == name.lower() or (name.startswith(".") and host.endswith(name.lower())) for name in hosts
    )


def is_json(content_type: str) -> bool:
    """Whether a media type is that of JSON, or of something more special that is JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def lifetime(headers: Mapping[str, str], now: datetime) -> int:
    """Return for how many seconds a document is fresh (RFC 9111 section 4.2), between ``LEAST`` and ``MOST``.

    :param headers: of its answer, by their names in small letters.
    """
    return min(MOST, max(LEAST, _said(headers, now)))


def _said(headers: Mapping[str, str], now: datetime) -> int:
    directives = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    if {"no-store", "no-cache"} & set(directives):
        return 0
    for directive in directives:
        name, _, value = directive.partition("=")
        if name == "max-age":
            return _number(value.strip('"')) - _number(headers.get("age", ""))
    if "expires" in headers:
        expires, date = _time(headers["expires"]), _time(headers.get("date", ""))
        return int((expires - (date or now)).total_seconds()) if expires else 0
    return USUAL


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _time(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def read(url: str, content: bytes) -> Registration:
    """Return the registration that a document asks for.

    :param url: where it was.
    :raises RegistrationError: with what is wrong.
    """
    document = _parsed(content)
    if document.get("client_id") != url:
        raise _refused("client_id", "it is not the URL that the document was fetched from")
    for name in _SECRETS:
        if name in document:
            raise _refused(name, "a document that everybody reads has no secret")
    method = document.get("token_endpoint_auth_method", "none")
    if method not in AUTH_METHODS:
        raise _refused("token_endpoint_auth_method", f"it is not one of {', '.join(AUTH_METHODS)}")
    given = {name: value for name, value in document.items() if name in _TAKEN and value is not None}
    usual = {"client_name": urlsplit(url).netloc, "application_type": _kind(given.get("redirect_uris"))}
    own = {"token_endpoint_auth_method": method, "grant_types": _grants(given.get("grant_types"))}
    types = {"response_types": document["response_types"]} if "response_types" in document else {}
    registration = dynamic_registration.read({**usual, **given, **own, **types})
    registration.check()
    return registration


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise _refused("client_id", "the document is not JSON") from None
    if not isinstance(document, dict):
        raise _refused("client_id", "the document is not a JSON object")
    return document


def _grants(wanted: Any) -> Any:
    """Return the grants that there are for such a client: the same document is for other servers, too."""
    if wanted is None:
        return ["authorization_code"]
    if not isinstance(wanted, list):
        return wanted
    grants = [grant for grant in wanted if grant in GRANTS]
    if not {"authorization_code", DEVICE_CODE} & set(grants):
        raise _refused("grant_types", f"it has none of authorization_code, {DEVICE_CODE}")
    return grants


def _kind(uris: Any) -> str:
    """Return what an application is that does not say it: native, if it is sent back to a program on a machine."""
    texts = [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []
    return "native" if any(not uri.startswith("https:") for uri in texts) else "web"


def _refused(field: str, message: str) -> RegistrationError:
    return RegistrationError((Problem(field, message),))
